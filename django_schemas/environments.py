"""Environments: the groups of models that are migrated as one unit, as the settings declare them, and the databases
that host them. Pure look-ups; called by routing, binding, migrating and the checks.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from django.core.signals import setting_changed

from . import conf
from .alias import SchemaAlias
from .exceptions import ConfigError
from .identifiers import validate_schema_name

__all__ = [
    "Environment",
    "alias_for",
    "databases_of",
    "environment",
    "environments",
    "environments_on",
    "home",
    "others_than",
    "primary_of",
    "replicas_of",
]

_REPLICA = re.compile(r"(?P<primary>.+)-read[0-9]+")


@dataclass(frozen=True, slots=True)
class Environment:
    """A group of models migrated as one unit.

    Attributes:
        name: key in `DATABASE_ENVIRONMENTS`.
        schema_name: the one schema of a single-schema environment, else None.
        apps: names of the adopted apps.
        additional_schemas: schemas that follow the environment's own in search_path while migrating.
    """

    name: str
    schema_name: str | None = None
    apps: tuple[str, ...] = ()
    additional_schemas: tuple[str, ...] = ()

    @property
    def single_schema(self) -> bool:
        """Whether all rows live in one declared schema."""
        return self.schema_name is not None


@cache
def environments() -> dict[str, Environment]:
    """All declared environments, by name."""
    return {
        name: Environment(
            name,
            schema_name=options.get("SCHEMA_NAME"),
            apps=tuple(options.get("APPS", ())),
            additional_schemas=tuple(options.get("ADDITIONAL_SCHEMAS", ())),
        )
        for name, options in conf.database_environments().items()
    }


def environment(name: str) -> Environment:
    """The environment of that name.

    Raises:
        ConfigError: it is not declared.
    """
    try:
        return environments()[name]
    except KeyError:
        known = ", ".join(environments()) or "none"
        raise ConfigError(
            f"Environment {name!r} is not in DATABASE_ENVIRONMENTS (declared: {known}): add it there."
        ) from None


@cache
def primary_of(db: str) -> str:
    """The writable alias behind a replica's alias; the alias itself if it is no replica.

    The suffix is matched on the whole alias, so `eu` does not own `neu-read1`.
    """
    match = _REPLICA.fullmatch(db)
    return match["primary"] if match else db


@cache
def replicas_of(db: str) -> tuple[str, ...]:
    """Aliases of the read replicas of a writable database, in the order of `DATABASES`."""
    return tuple(alias for alias in conf.databases() if alias != db and primary_of(alias) == db)


@cache
def others_than(db: str) -> tuple[str, ...]:
    """Aliases of the writable databases beside one."""
    return tuple(alias for alias in conf.databases() if alias != db and primary_of(alias) == alias)


@cache
def environments_on(db: str) -> tuple[str, ...]:
    """Names of the environments that a database hosts. A replica hosts those of its primary."""
    return tuple(conf.databases().get(primary_of(db), {}).get("ENVIRONMENTS", ()))


@cache
def databases_of(name: str) -> tuple[str, ...]:
    """Aliases of the writable databases that host an environment, in the order of `DATABASES`."""
    return tuple(db for db in conf.databases() if primary_of(db) == db and name in environments_on(db))


@cache
def home(name: str) -> SchemaAlias | None:
    """The one place of a single-schema environment; None for a multi-schema one.

    Raises:
        ConfigError: no database, or more than one, hosts the single-schema environment.
    """
    env = environment(name)
    if env.schema_name is None:
        return None
    hosts = databases_of(name)
    if len(hosts) != 1:
        raise ConfigError(
            f"Single-schema environment {name!r} is hosted by {', '.join(hosts) or 'no database'}: "
            "name it in ENVIRONMENTS of exactly one writable database."
        )
    return SchemaAlias(hosts[0], env.schema_name, name)


def alias_for(db: str, schema: str, candidates: tuple[str, ...] | None = None) -> SchemaAlias:
    """Resolve a database and a schema's name to the alias of that place.

    Args:
        db: alias of a writable database.
        schema: name of the schema.
        candidates: names of the environments it may be in; all that the database hosts if left out.

    Raises:
        ConfigError: the database is unknown, a replica, or hosts no fitting environment, or more than one.
        InvalidSchemaName: the name breaks the rules of `identifiers.validate_schema_name`.
    """
    # An alias of one's own: what is active is told from what is entered again by its identity.
    db = str.__str__(db)
    return SchemaAlias(db, schema, _environment_of(db, schema, candidates))


@lru_cache(maxsize=10_000)
def _environment_of(db: str, schema: str, candidates: tuple[str, ...] | None) -> str:
    meant = [name for name in environments_on(db) if candidates is None or name in candidates]
    validate_schema_name(schema, allow_public=any(environment(name).schema_name == "public" for name in meant))
    return _fitting(db, schema, candidates)


@cache
def _hosted(db: str, candidates: tuple[str, ...] | None) -> tuple[Environment, ...]:
    if db not in conf.databases():
        raise ConfigError(f"Database {db!r} is not in DATABASES ({', '.join(conf.databases())}).")
    if primary_of(db) != db:
        raise ConfigError(f"Database {db!r} is a replica: name its primary, {primary_of(db)!r}; reads find replicas.")
    hosted = environments_on(db)
    fitting = tuple(environment(name) for name in hosted if candidates is None or name in candidates)
    if not fitting:
        wanted = " or ".join(repr(name) for name in candidates or ()) or "any environment"
        raise ConfigError(f"Database {db!r} does not host {wanted}: add it to ENVIRONMENTS in DATABASES[{db!r}].")
    return fitting


def _fitting(db: str, schema: str, candidates: tuple[str, ...] | None) -> str:
    hosted = _hosted(db, candidates)
    owners = [name for name in environments_on(db) if environment(name).schema_name == schema]
    if owners and not any(env.name in owners for env in hosted):
        raise ConfigError(
            f"Schema {schema!r} on {db!r} is the one of environment {owners[0]!r}: "
            f"nothing of {' or '.join(env.name for env in hosted)} lives there."
        )
    named = [env.name for env in hosted if env.schema_name == schema]
    fitting = named or [env.name for env in hosted if not env.single_schema]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(f"Schema {schema!r} on {db!r} could be of {' or '.join(fitting)}: say which environment.")
    only = ", ".join(f"{env.name} in schema {env.schema_name!r}" for env in hosted)
    raise ConfigError(f"Schema {schema!r} on {db!r} belongs to no environment there: it hosts {only} only.")


_CACHED = (
    environments,
    primary_of,
    replicas_of,
    others_than,
    environments_on,
    databases_of,
    home,
    _environment_of,
    _hosted,
)


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in ("DATABASES", "DATABASE_ENVIRONMENTS"):
        for function in _CACHED:
            function.cache_clear()


setting_changed.connect(_forget)

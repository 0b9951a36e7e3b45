"""System checks: of the settings, and of each model's place in them. One function for each id; none asks a database."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.db.models import Field, Model
from django.utils.module_loading import import_string

from . import conf
from .environments import databases_of, environments, environments_on, primary_of
from .exceptions import InvalidSchemaName
from .identifiers import validate_schema_name
from .membership import declared_environment, environments_of

__all__ = ["check_models", "check_settings"]

_KEYS = {"SCHEMA_NAME", "APPS", "ADDITIONAL_SCHEMAS"}
_ENGINES = ("django_schemas.backends.postgres.wrapper", "django_schemas.backends.postgis.wrapper")
_METHODS = ("set_db", "inherit_db", "auto_db", "db_name", "schema_name")


@register("django_schemas")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check DATABASE_ENVIRONMENTS, DATABASES and DATABASE_ROUTERS against each other."""
    functions = (
        unknown_keys,
        hosted_environment_unknown,
        wrong_engine,
        router_missing,
        single_schema_hosts,
        replica_without_primary,
        schema_name_invalid,
        schema_shared,
        adopted_app_unknown,
        hosted_nowhere,
        max_lag_invalid,
    )
    return [message for function in functions for message in function()]


@register("django_schemas")
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check each model's environment, and the relations between environments."""
    messages: list[CheckMessage] = []
    for model in apps.get_models():
        if app_configs is None or model._meta.app_config in app_configs:
            for function in (environment_unknown, environment_differs, hidden_methods):
                messages.extend(function(model))
            for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
                messages.extend(relation(model, field))
    return messages


def unknown_keys() -> Iterator[CheckMessage]:
    """E001: an environment has a key that means nothing."""
    for name, options in conf.database_environments().items():
        for key in sorted(set(options) - _KEYS):
            yield Error(
                f"DATABASE_ENVIRONMENTS[{name!r}] has the unknown key {key!r}.",
                hint=f"The keys are {', '.join(sorted(_KEYS))}.",
                id="django_schemas.E001",
            )


def hosted_environment_unknown() -> Iterator[CheckMessage]:
    """E002: a database hosts an environment that is not declared."""
    for db, options in conf.databases().items():
        for name in options.get("ENVIRONMENTS", ()):
            if name not in environments():
                yield Error(
                    f"DATABASES[{db!r}]['ENVIRONMENTS'] names {name!r}, which is not in DATABASE_ENVIRONMENTS.",
                    hint=f"Declared are: {', '.join(environments()) or 'none'}.",
                    id="django_schemas.E002",
                )


def wrong_engine() -> Iterator[CheckMessage]:
    """E003: a database hosts environments with an engine that does not know schemas."""
    for db, options in conf.databases().items():
        if environments_on(db) and options.get("ENGINE") not in _ENGINES:
            yield Error(
                f"Database {db!r} hosts environments, but its ENGINE is {options.get('ENGINE')!r}.",
                hint=f"Use {_ENGINES[0]!r}.",
                id="django_schemas.E003",
            )


def router_missing() -> Iterator[CheckMessage]:
    """E004: environments are declared, and nothing routes to them."""
    from .routers import ExplicitRouter

    routers = [import_string(router) if isinstance(router, str) else type(router) for router in conf.routers()]
    if environments() and not any(issubclass(router, ExplicitRouter) for router in routers):
        yield Error(
            "DATABASE_ENVIRONMENTS is set, but ExplicitRouter is not in DATABASE_ROUTERS.",
            hint="Add 'django_schemas.routers.ExplicitRouter'.",
            id="django_schemas.E004",
        )


def single_schema_hosts() -> Iterator[CheckMessage]:
    """E005: a single-schema environment has no database, or more than one."""
    for env in environments().values():
        hosts = databases_of(env.name)
        if env.single_schema and len(hosts) != 1:
            found = " and ".join(map(repr, hosts)) or "no database"
            yield Error(
                f"Single-schema environment {env.name!r} is hosted by {found}.",
                hint=f"Name {env.name!r} in ENVIRONMENTS of exactly one writable database.",
                id="django_schemas.E005",
            )


def replica_without_primary() -> Iterator[CheckMessage]:
    """E006: an alias is spelt like a replica's, and there is no such primary."""
    for db in conf.databases():
        if primary_of(db) not in conf.databases():
            yield Error(
                f"Database {db!r} is the replica of {primary_of(db)!r}, which is not in DATABASES.",
                hint="Add the primary, or give the alias another name.",
                id="django_schemas.E006",
            )


def schema_name_invalid() -> Iterator[CheckMessage]:
    """E007: a declared schema's name is not valid."""
    for env in environments().values():
        for schema in (*((env.schema_name,) if env.schema_name is not None else ()), *env.additional_schemas):
            try:
                validate_schema_name(schema, allow_public=True)
            except InvalidSchemaName as error:
                yield Error(f"DATABASE_ENVIRONMENTS[{env.name!r}]: {error}", id="django_schemas.E007")


def schema_shared() -> Iterator[CheckMessage]:
    """E008: two environments claim one schema."""
    owners: dict[tuple[str, str], str] = {}
    for env in environments().values():
        for db in databases_of(env.name) if env.schema_name is not None else ():
            other = owners.setdefault((db, str(env.schema_name)), env.name)
            if other != env.name:
                yield Error(
                    f"Environments {other!r} and {env.name!r} share schema {env.schema_name!r} in database {db!r}.",
                    hint="Give each a SCHEMA_NAME of its own.",
                    id="django_schemas.E008",
                )


def adopted_app_unknown() -> Iterator[CheckMessage]:
    """E009: an environment adopts an app that is not installed."""
    installed = {
        name
        for config in apps.get_app_configs()
        for name in (config.name, f"{type(config).__module__}.{type(config).__qualname__}")
    }
    for env in environments().values():
        for app in env.apps:
            if app not in installed:
                yield Error(
                    f"DATABASE_ENVIRONMENTS[{env.name!r}]['APPS'] names {app!r}, which is not in INSTALLED_APPS.",
                    hint="Name an app as INSTALLED_APPS does.",
                    id="django_schemas.E009",
                )


def hosted_nowhere() -> Iterator[CheckMessage]:
    """W010: no database hosts a multi-schema environment."""
    for env in environments().values():
        if not env.single_schema and not databases_of(env.name):
            yield Warning(
                f"No database hosts environment {env.name!r}.",
                hint="Name it in ENVIRONMENTS of a writable database.",
                id="django_schemas.W010",
            )


def max_lag_invalid() -> Iterator[CheckMessage]:
    """E025: a lag that no replica can be held to."""
    for db, options in conf.databases().items():
        limit_s = options.get("MAX_LAG_S")
        number = isinstance(limit_s, int | float) and limit_s >= 0
        if "MAX_LAG_S" in options and (primary_of(db) == db or not (number or limit_s is None)):
            yield Error(
                f"DATABASES[{db!r}]['MAX_LAG_S'] is {limit_s!r}.",
                hint="Only a replica may have it: a number of seconds, or None for any lag.",
                id="django_schemas.E025",
            )


def environment_unknown(model: type[Model]) -> Iterator[CheckMessage]:
    """E011: a model is in an environment that is not declared."""
    name = declared_environment(model)
    if name is not None and name not in environments():
        yield Error(
            f"Meta.db_environment is {name!r}, which is not in DATABASE_ENVIRONMENTS.",
            hint=f"Declared are: {', '.join(environments()) or 'none'}.",
            obj=model,
            id="django_schemas.E011",
        )


def environment_differs(model: type[Model]) -> Iterator[CheckMessage]:
    """E012: a proxy or a child has another environment than the model whose table it needs."""
    for parent in model._meta.all_parents:
        if environments_of(parent) != environments_of(model):
            yield Error(
                f"It is in environment {_listed(environments_of(model))}, its parent {parent._meta.label} in "
                f"{_listed(environments_of(parent))}.",
                hint="A proxy or a child lives where its parent does: leave out its db_environment.",
                obj=model,
                id="django_schemas.E012",
            )


def hidden_methods(model: type[Model]) -> Iterator[CheckMessage]:
    """W013: a field hides what SchemaModel offers under that name."""
    from .models import SchemaModel

    if issubclass(model, SchemaModel):
        for field in model._meta.local_fields:
            if field.name in _METHODS:
                yield Warning(
                    f"Field {field.name!r} hides SchemaModel.{field.name}.",
                    hint="Rename the field, or use django_schemas.bind(model, db, schema).",
                    obj=model,
                    id="django_schemas.W013",
                )


def relation(model: type[Model], field: "Field[Any, Any]") -> Iterator[CheckMessage]:
    """E014 to E017: a relation leads where no foreign key can, or should."""
    target = field.related_model if field.is_relation else None
    if not (isinstance(target, type) and issubclass(target, Model)):
        return
    sources, targets = environments_of(model), environments_of(target)
    for source in sources or ("",):
        found = _relation_fault(source, targets, getattr(field, "db_constraint", True))
        if found is not None:
            id_, reason, hint = found
            yield Error(
                f"Relation to {target._meta.label} {reason}.",
                hint=hint,
                obj=field,
                id=f"django_schemas.{id_}",
            )
            return


def _relation_fault(source: str, targets: tuple[str, ...], constrained: bool) -> tuple[str, str, str] | None:
    """Why a model of environment `source` (empty: of none) can't refer to one of `targets`; None if it can."""
    known = environments()
    if (
        source in targets
        or (not source and not targets)
        or any(name not in known for name in (source, *targets) if name)
    ):
        return None
    if not source or not targets:
        return (
            "E014",
            f"joins environment {source or ' or '.join(targets)!r} and a model of no environment",
            "List the latter's app in APPS of an environment; a single-schema one may have SCHEMA_NAME 'public'.",
        )
    singles = [name for name in targets if known[name].single_schema]
    if not singles:
        if known[source].single_schema:
            return (
                "E015",
                f"leads from single-schema environment {source!r} to {' or '.join(targets)!r}, which has many schemas",
                "Turn it round: a foreign key may lead from many schemas to a single one.",
            )
        return (
            "E016",
            f"leads from environment {source!r} to {' or '.join(targets)!r}: both have many schemas",
            "Put both models into one environment.",
        )
    elsewhere = set(databases_of(source)) - {db for name in singles for db in databases_of(name)}
    if constrained and elsewhere:
        return (
            "E017",
            f"leads to another database from {', '.join(sorted(elsewhere))}, where PostgreSQL can't check it",
            "Say db_constraint=False.",
        )
    return None


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(map(repr, names)) or "none"

"""System checks: of the settings, and of each model's place in them. One function for each id; none asks a database."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.management import get_commands, load_command_class
from django.db.models import Field, Model
from django.utils.module_loading import import_string

from . import conf
from .citus import citus_invalid, roles_on_citus
from .environments import databases_of, environments, environments_on, primary_of
from .exceptions import InvalidSchemaName
from .identifiers import validate_schema_name
from .membership import declared_environment, environments_of, models_of

__all__ = ["check_model", "check_models", "check_settings"]

_KEYS = {"SCHEMA_NAME", "APPS", "ADDITIONAL_SCHEMAS"}
_ENGINES = ("django_schemas.backends.postgres.wrapper", "django_schemas.backends.postgis.wrapper")
# Not `runserver`: ours only tells more, and that of an ASGI server must come first.
_COMMANDS = ("inspectdb", "migrate", "showmigrations")
_METHODS = {"set_db", "inherit_db", "auto_db", "db_name", "schema_name"}


@register("django_schemas")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check DATABASE_ENVIRONMENTS, DATABASES and DATABASE_ROUTERS against each other."""
    # The others read these as they are meant.
    if no_lists := list(not_a_list()):
        return no_lists
    functions = (
        unknown_keys,
        hosted_environment_unknown,
        wrong_engine,
        router_missing,
        router_not_first,
        single_schema_hosts,
        replica_without_primary,
        schema_name_invalid,
        schema_shared,
        adopted_app_unknown,
        hosted_nowhere,
        schema_of_another,
        extension_adopted,
        extension_out_of_sight,
        command_hidden,
        max_lag_invalid,
        citus_invalid,
        roles_on_citus,
        limit_of_connections_invalid,
        limit_of_schemas_invalid,
    )
    return [message for function in functions for message in function()]


@register("django_schemas")
def check_models(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check each model's environment, and the relations between environments."""
    return [
        message
        for model in apps.get_models()
        if app_configs is None or model._meta.app_config in app_configs
        for message in check_model(model)
    ]


def check_model(model: type[Model]) -> Iterator[CheckMessage]:
    """Check one model."""
    yield from environment_unknown(model)
    yield from environment_differs(model)
    yield from hidden_methods(model)
    for field in (*model._meta.local_fields, *model._meta.local_many_to_many):
        yield from relation(model, field)


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
    if environments() and not any(map(_is_ours, _routers())):
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
                yield Error(
                    f"DATABASE_ENVIRONMENTS[{env.name!r}]: {error}",
                    hint="Rename the schema (ALTER SCHEMA ... RENAME TO) if it is there already.",
                    id="django_schemas.E007",
                )


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


def not_a_list() -> Iterator[CheckMessage]:
    """E018: a setting that is a list of names holds something else, a single name for instance."""
    lists = [
        (f"DATABASE_ENVIRONMENTS[{name!r}][{key!r}]", options.get(key, []))
        for name, options in conf.database_environments().items()
        for key in ("APPS", "ADDITIONAL_SCHEMAS")
    ]
    lists += [
        (f"DATABASES[{db!r}]['ENVIRONMENTS']", options.get("ENVIRONMENTS", []))
        for db, options in conf.databases().items()
    ]
    for setting, value in lists:
        if not isinstance(value, list | tuple):
            yield Error(f"{setting} is {value!r}, and no list.", hint="Write [...].", id="django_schemas.E018")


def router_not_first() -> Iterator[CheckMessage]:
    """W019: another router may answer before ours, and so allow what ours refuses."""
    routers = _routers()
    if any(map(_is_ours, routers[1:])) and not _is_ours(routers[0]):
        yield Warning(
            f"{routers[0].__name__} comes before ExplicitRouter in DATABASE_ROUTERS: it may allow relations between "
            "two schemas, and migrations where a model has no place.",
            hint="Put ExplicitRouter first: on models of no environment it has no opinion.",
            id="django_schemas.W019",
        )


def schema_of_another() -> Iterator[CheckMessage]:
    """E020: while one environment is migrated, unqualified names would be found in the schema of another.

    But for `public`: an existing project may have both its tables and its extensions there.
    """
    owners = {env.schema_name: env for env in environments().values() if env.schema_name not in (None, "public")}
    for env in environments().values():
        for schema in env.additional_schemas:
            owner = owners.get(schema, env)
            if owner is not env and set(databases_of(owner.name)) & set(databases_of(env.name)):
                yield Error(
                    f"DATABASE_ENVIRONMENTS[{env.name!r}]['ADDITIONAL_SCHEMAS'] names {schema!r}, the schema of "
                    f"environment {owner.name!r}.",
                    hint="Leave it out: foreign keys to another environment need no search_path. "
                    "ADDITIONAL_SCHEMAS is for extensions.",
                    id="django_schemas.E020",
                )


def extension_adopted() -> Iterator[CheckMessage]:
    """E021: an environment adopts GeoDjango, whose models are views and tables of the extension's."""
    for env in environments().values():
        if "django.contrib.gis" in env.apps:
            yield Error(
                f"DATABASE_ENVIRONMENTS[{env.name!r}]['APPS'] names 'django.contrib.gis', whose tables are PostGIS's.",
                hint="Leave it out: a database has them but once, where the extension is.",
                id="django_schemas.E021",
            )


def extension_out_of_sight() -> Iterator[CheckMessage]:
    """W022: while an environment with spatial fields is migrated, the types of PostGIS would not be found."""
    for env in environments().values():
        if not env.additional_schemas and env.schema_name != "public" and _is_spatial(env.name):
            yield Warning(
                f"Environment {env.name!r} has spatial fields, and no ADDITIONAL_SCHEMAS: their types are not found "
                "while it is migrated.",
                hint="Say 'ADDITIONAL_SCHEMAS': ['public'], or where else the extension is.",
                id="django_schemas.W022",
            )


def command_hidden() -> Iterator[CheckMessage]:
    """W023: another app's command takes the place of one of ours."""
    for name in _COMMANDS:
        app = get_commands()[name]
        if app == "django_schemas":
            continue
        ours = import_string(f"django_schemas.management.commands.{name}.Command")
        found = load_command_class(app, name) if isinstance(app, str) else app
        if not isinstance(found, ours):
            yield Warning(
                f"`manage.py {name}` is the command of {app!r}, which knows nothing of schemas.",
                hint="Put 'django_schemas' before that app in INSTALLED_APPS.",
                id="django_schemas.W023",
            )


def max_lag_invalid() -> Iterator[CheckMessage]:
    """E026: a lag that no replica can be held to."""
    for db, options in conf.databases().items():
        limit_s = options.get("MAX_LAG_S")
        number = isinstance(limit_s, int | float) and limit_s >= 0
        if "MAX_LAG_S" in options and (primary_of(db) == db or not (number or limit_s is None)):
            yield Error(
                f"DATABASES[{db!r}]['MAX_LAG_S'] is {limit_s!r}.",
                hint="Only a replica may have it: a number of seconds, or None for any lag.",
                id="django_schemas.E026",
            )


def limit_of_connections_invalid() -> Iterator[CheckMessage]:
    """E030: as many connections as no process can work with, or beside a pool, which has limits of its own."""
    for db, options in conf.databases().items():
        most = options.get("MAX_CONNECTIONS")
        pooled = bool(options.get("OPTIONS", {}).get("pool"))
        if most is not None and (pooled or not _is_whole(most, 2)):
            yield Error(
                f"DATABASES[{db!r}]['MAX_CONNECTIONS'] is {most!r}" + (", beside a pool." if pooled else "."),
                hint="Say how many in OPTIONS['pool'], as max_size."
                if pooled
                else "A whole number from 2 on, since locks are held over another connection; None for any.",
                id="django_schemas.E030",
            )


def limit_of_schemas_invalid() -> Iterator[CheckMessage]:
    """E031: as many schemas as no connection can be held to."""
    for db, options in conf.databases().items():
        most = options.get("MAX_SCHEMAS_PER_CONNECTION")
        if most is not None and not _is_whole(most, 1):
            yield Error(
                f"DATABASES[{db!r}]['MAX_SCHEMAS_PER_CONNECTION'] is {most!r}.",
                hint="A whole number from 1 on, or None for any.",
                id="django_schemas.E031",
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
    """W013: a field, a relation from another model or a manager hides what SchemaModel offers under that name."""
    from .models import SchemaModel

    if not issubclass(model, SchemaModel):
        return
    options: Any = model._meta
    names = {field.name for field in (*options.fields, *options.many_to_many, *options.private_fields)}
    names.update(relation.get_accessor_name() for relation in options.related_objects)
    names.update(manager.name for manager in options.managers)
    for name in sorted(_METHODS & names):
        yield Warning(
            f"{name!r}, the name of a field, a related_name or a manager, hides SchemaModel.{name}.",
            hint="Choose another name, or use django_schemas.bind(model, db, schema).",
            obj=model,
            id="django_schemas.W013",
        )


def relation(model: type[Model], field: "Field[Any, Any]") -> Iterator[CheckMessage]:
    """E014 to E017: a relation leads where no foreign key can, or should."""
    target = field.related_model if field.is_relation else None
    if not (isinstance(target, type) and issubclass(target, Model)):
        return
    sources, targets = environments_of(model), environments_of(target)
    if bool(sources) != bool(targets):
        yield from _relation_to_none(field, target, model if targets else target)
        return
    for source in sources:
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


def _relation_to_none(field: "Field[Any, Any]", target: type[Model], stray: type[Model]) -> Iterator[CheckMessage]:
    """E014, where `stray` is whichever of the two models is in no environment."""
    names = environments_of(field.model) or environments_of(target)
    app = stray._meta.app_config  # None of a model that is made for a moment.
    name = app.name if app else stray._meta.app_label
    if set(names) <= set(environments()):
        yield Error(
            f"Relation to {target._meta.label} joins environment {' or '.join(names)!r} and {stray._meta.label}, a "
            "model of no environment.",
            hint=f"List {name!r} in APPS of an environment; a single-schema one may have SCHEMA_NAME 'public'.",
            obj=field,
            id="django_schemas.E014",
        )


def _relation_fault(source: str, targets: tuple[str, ...], constrained: bool) -> tuple[str, str, str] | None:
    """Why a model of environment `source` can't refer to one of `targets`; None if it can."""
    known = environments()
    if source in targets or any(name not in known for name in (source, *targets)):
        return None
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


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _routers() -> list[type]:
    return [import_string(router) if isinstance(router, str) else type(router) for router in conf.routers()]


def _is_ours(router: type) -> bool:
    from .routers import ExplicitRouter

    return issubclass(router, ExplicitRouter)


def _is_spatial(environment: str) -> bool:
    # What GeoDjango's fields have, which can't be imported without its libraries.
    return any(
        hasattr(field, "spatial_index") for model in models_of(environment) for field in model._meta.local_fields
    )


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(map(repr, names)) or "none"

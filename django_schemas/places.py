"""Places: where a model's rows are, where an object belongs, what a database given by hand means.

Decided by, in this order: the instance, the placement that the queryset carries, the active placement, the single
schema. There is no fallback behind these.
"""

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from .alias import SchemaAlias, SchemaTable
from .context import active_alias
from .environments import home, primary_of
from .exceptions import NoActiveSchema, SchemaMismatch
from .membership import table_environments
from .remedies import further
from .target import migrating

__all__ = [
    "belongs",
    "instance_alias",
    "migrated_place",
    "no_schema_message",
    "place",
    "placed_using",
    "refuse_other",
    "refuse_rebinding",
    "settle",
    "single_home",
]


def single_home(environments: tuple[str, ...]) -> SchemaAlias | None:
    """The place of the first single-schema environment among these, if there is one."""
    for name in environments:
        alias = home(name)
        if alias is not None:
            return alias
    return None


def instance_alias(instance: object, environments: tuple[str, ...]) -> SchemaAlias | None:
    """The place of an object, if it is one of these environments'."""
    state = getattr(instance, "_state", None)
    alias = getattr(state, "db", None)
    if isinstance(alias, SchemaAlias):
        return alias if alias.environment in environments else None
    return None if alias is None else _meant_by(instance, alias, environments)


def _meant_by(instance: object, using: str, environments: tuple[str, ...]) -> SchemaAlias | None:
    """The place of an object that Django, or somebody, gave a plain alias: deserializers do."""
    own = getattr(getattr(instance, "_meta", None), "db_table", None)
    if not isinstance(own, SchemaTable):
        return None
    shared = tuple(name for name in own.environments if name in environments)
    if (migrated := migrated_place(using, shared)) is not None:
        return migrated
    db = primary_of(using)
    alias = active_alias(shared, db) or single_home(shared)
    return alias if alias is not None and alias.db == db else None


def belongs(instance: Model, alias: SchemaAlias) -> bool:
    """Tell whether a place has a table for this object's model, so that the object must be of that place to be used."""
    table = instance._meta.db_table
    return isinstance(table, SchemaTable) and alias.environment in table.environments


def refuse_other(alias: SchemaAlias, instance: object) -> None:
    """Raise SchemaMismatch if an object is of another place than the one it is to be used in.

    What is no object of a schema, or one of another environment that this one may refer to, passes.
    """
    own = getattr(getattr(instance, "_state", None), "db", None)
    if not isinstance(instance, Model) or not isinstance(own, SchemaAlias):
        return
    if belongs(instance, alias) and not own.same_place(alias):
        raise SchemaMismatch(
            f"{instance._meta.label} pk={instance.pk!r} is in {own.placement} and can't be used in {alias.placement}: "
            "load it from the schema it is used in."
        )


def refuse_rebinding(bound: SchemaAlias | None, alias: SchemaAlias) -> None:
    """Raise SchemaMismatch if what is bound to a place is to be used in another: it may be about objects of its own."""
    if bound is not None and not bound.same_place(alias):
        raise SchemaMismatch(
            f"What is bound to {bound.placement} can't be used in {alias.placement}: make a queryset there."
        )


def place(model: type[Model], instance: Model | None = None, placement: SchemaAlias | None = None) -> SchemaAlias:
    """Find the place of a model's rows.

    Args:
        model: a model of an environment.
        instance: the object that the rows are related to, or are.
        placement: what the queryset carries.

    Raises:
        NoActiveSchema: nothing says which schema is meant.
        SchemaMismatch: the instance and the queryset are of two schemas.
    """
    environments = table_environments(model)
    carried = placement if placement is not None and placement.environment in environments else None
    found = instance_alias(instance, environments)
    if found is not None:
        if carried is not None and carried.environment == found.environment and not carried.same_place(found):
            raise SchemaMismatch(
                f"{model._meta.label} is asked in {carried.placement} for an object of {found.placement}: "
                "use a queryset of the object's own schema."
            )
        return found.primary
    alias = carried or active_alias(environments) or single_home(environments)
    if alias is None:
        raise NoActiveSchema(no_schema_message(model._meta.label, environments))
    return alias.primary


def placed_using(model: type[Model], using: str, carried: SchemaAlias | None) -> SchemaAlias:
    """Resolve the alias that a caller gave by hand (`using=`) to a place.

    Args:
        model: a model of an environment.
        using: a schema alias is taken as it is; a plain alias means the carried schema, else the active one, else the
            single one, if that is on this database; "default" within a migration, the schema that is migrated.
        carried: what the queryset or the instance carries.

    Raises:
        NoActiveSchema: no schema on this database is meant by anything.
    """
    if isinstance(using, SchemaAlias):
        return using
    environments = table_environments(model)
    db = primary_of(using)
    migrated = migrated_place(using, environments)
    if migrated is not None and (carried is None or carried.db != db):
        return migrated
    single = single_home(environments)
    for alias in (carried, active_alias(environments, db), single):
        if alias is not None and alias.db == db:
            return alias if alias == using else SchemaAlias(using, alias.schema, alias.environment, alias.db)
    raise NoActiveSchema(no_schema_message(model._meta.label, environments, db))


def migrated_place(using: str, environments: tuple[str, ...]) -> SchemaAlias | None:
    """The place that is being migrated, if it is of one of these environments and `using` is "default".

    That is what Django's own functions ask where they are told no database, as by migrations that make permissions.
    """
    target = migrating() if using == DEFAULT_DB_ALIAS else None
    return target.alias if target is not None and target.environment in environments else None


def no_schema_message(what: str, environments: tuple[str, ...], db: str | None = None) -> str:
    """The message of NoActiveSchema: what was asked for, what is missing, what to do."""
    where = f" on database {db!r}" if db else ""
    return (
        f"{what} is in environment {' or '.join(map(repr, environments))}, and no schema of it is bound or active"
        f"{where}: use Model.set_db(db, schema), schema_context(db, schema), or a tenant's context."
        f"{further(environments)}"
    )


def settle(instance: Model, alias: SchemaAlias, seen: set[int] | None = None) -> None:
    """Tell an object that was read through an alias, and those fetched along with it, where they belong."""
    seen = seen if seen is not None else set()
    if id(instance) in seen:
        return
    seen.add(id(instance))
    instance._state.db = alias.primary if belongs(instance, alias) else place(type(instance))
    for related in instance._state.fields_cache.values():
        own = getattr(getattr(related, "_state", None), "db", None)
        if isinstance(own, SchemaAlias) and own.same_place(alias):
            settle(related, alias, seen)

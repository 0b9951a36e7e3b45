"""Routing: which schema alias a model's query goes to, which objects may be related, which models a database holds.

Pure decisions over what the caller, the objects, the context and the settings say, in this order: the instance, the
placement that the queryset carries, the active placement, the single schema. There is no fallback behind these.
"""

from typing import Any

from django.db.models import ForeignKey, Model

from . import replicas
from .alias import SchemaAlias, SchemaTable
from .context import active_alias
from .environments import environment, environments_on, home, primary_of
from .exceptions import NoActiveSchema, SchemaMismatch
from .membership import environments_of_app, environments_of_name, is_current, table_environments
from .target import migrating

__all__ = ["ExplicitRouter", "belongs", "place", "placed_using", "refuse_other", "single_home"]


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
    found = instance_alias(instance, environments) if instance is not None else None
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
            single one, if that is on this database.
        carried: what the queryset or the instance carries.

    Raises:
        NoActiveSchema: no schema on this database is meant by anything.
    """
    if isinstance(using, SchemaAlias):
        return using
    environments = table_environments(model)
    db = primary_of(using)
    single = single_home(environments)
    for alias in (carried, active_alias(environments, db), single):
        if alias is not None and alias.db == db:
            return alias if alias == using else SchemaAlias(using, alias.schema, alias.environment, alias.db)
    raise NoActiveSchema(no_schema_message(model._meta.label, environments, db))


def no_schema_message(what: str, environments: tuple[str, ...], db: str | None = None) -> str:
    """The message of NoActiveSchema: what was asked for, what is missing, what to do."""
    where = f" on database {db!r}" if db else ""
    return (
        f"{what} is in environment {' or '.join(map(repr, environments))}, and no schema of it is bound or active"
        f"{where}: use Model.set_db(db, schema), schema_context(db, schema), or a tenant's context."
    )


class ExplicitRouter:
    """The database router of `DATABASE_ROUTERS`: gives each model of an environment its schema alias.

    For models of no environment it has no opinion, so Django and other routers go on as ever.
    """

    def db_for_read(self, model: type[Model] | None, **hints: Any) -> str | None:
        """The alias to read from: the primary's, or a replica's where one may be asked."""
        alias = self.db_for_write(model, **hints)
        return replicas.reader(alias) if isinstance(alias, SchemaAlias) else alias

    def db_for_write(self, model: type[Model] | None, **hints: Any) -> str | None:
        """The alias to write to."""
        if model is None:  # Django asks so for a RawQuerySet that was made by hand.
            return None
        if isinstance(model._meta.db_table, SchemaTable):
            return place(model, hints.get("instance"), hints.get("placement"))
        target = migrating()
        if target is not None and not is_current(model):
            return target.db  # A historic model in a migration: search_path holds the schema.
        return None

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool | None:
        """Allow two objects of one schema to be related, or one of them in a single-schema environment.

        Raises:
            SchemaMismatch: they are of two schemas that may not be mixed.
        """
        one, two = obj1._state.db, obj2._state.db
        if not (isinstance(one, SchemaAlias) and isinstance(two, SchemaAlias)):
            return None
        if one.environment == two.environment or belongs(obj1, two) or belongs(obj2, one):
            allowed = one.same_place(two)
        else:
            shared = environment(one.environment).single_schema or environment(two.environment).single_schema
            allowed = shared and (one.db == two.db or _unconstrained(obj1, obj2))
        if not allowed:
            raise SchemaMismatch(
                f"{obj1._meta.label} pk={obj1.pk!r} is in {one.placement}, {obj2._meta.label} pk={obj2.pk!r} "
                f"in {two.placement}: they can't be related. Load both from one schema."
            )
        return True

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        """Allow a model where its environment is.

        While an environment is being migrated, its models alone; else those of the single-schema environments of the
        database, and those of the active placement on it. An operation that names no model (RunPython, RunSQL) runs
        where its app has models, or where `hints={"environment": ...}` says.
        """
        target = db if isinstance(db, SchemaAlias) else migrating(db)
        model: Any = hints.get("model")
        if model_name is not None or model is not None:
            environments = environments_of_name(app_label, model_name or model._meta.object_name, model)
        else:
            hinted = hints.get("environment")
            environments = (environment(hinted).name,) if hinted else environments_of_app(app_label)
        if not environments:
            return None if target is None or target.environment is None else False
        if target is not None:
            return target.environment in environments
        return any(
            name in environments_on(db) and (environment(name).single_schema or active_alias((name,), db) is not None)
            for name in environments
        )


def _unconstrained(obj1: Model, obj2: Model) -> bool:
    """Tell whether every relation between two models does without a constraint, so may cross databases."""
    return not any(
        getattr(field, "db_constraint", True)
        for source, target in ((obj1, obj2), (obj2, obj1))
        for field in source._meta.concrete_fields
        if isinstance(field, ForeignKey) and isinstance(target, field.related_model)
    )

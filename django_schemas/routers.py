"""Routing: which schema alias a model's query goes to, which objects may be related, which models a database holds.

Decisions over what the caller, the objects, the context and the settings say; `places` makes those about places.
"""

from typing import Any

from django.db.models import ForeignKey, Model

from . import replicas
from .alias import SchemaAlias, SchemaTable
from .context import active_alias
from .environments import environment, environments_on
from .exceptions import SchemaMismatch
from .membership import environments_of_app, environments_of_name, is_current, refuse_unprepared
from .places import belongs, instance_alias, migrated_place, place
from .target import migrating, unread

__all__ = ["ExplicitRouter"]


class ExplicitRouter:
    """The database router of `DATABASE_ROUTERS`: gives each model of an environment its schema alias.

    For models of no environment it has no opinion, so Django and other routers go on as ever.

    Raises:
        ConfigError: the app `django_schemas` is not installed.
    """

    def __init__(self) -> None:
        refuse_unprepared()

    def db_for_read(self, model: type[Model] | None, **hints: Any) -> str | None:
        """The alias to read from: the primary's, or a replica's where one may be asked."""
        alias = self.db_for_write(model, **hints)
        if model is None or not isinstance(alias, SchemaAlias):
            return alias
        return replicas.reader(alias, model._meta.label)

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
        one, two = (instance_alias(obj, _environments(obj)) or obj._state.db for obj in (obj1, obj2))
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
        if unread() and environments_on(db):
            return False  # So that Django checks no history there.
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
        if migrated_place(db, environments) is not None:
            return True
        return any(
            name in environments_on(db) and (environment(name).single_schema or active_alias((name,), db) is not None)
            for name in environments
        )


def _environments(instance: Model) -> tuple[str, ...]:
    table = instance._meta.db_table
    return table.environments if isinstance(table, SchemaTable) else ()


def _unconstrained(obj1: Model, obj2: Model) -> bool:
    """Tell whether every relation between two models does without a constraint, so may cross databases."""
    return not any(
        field.db_constraint  # type: ignore[attr-defined]  # the stubs lack it
        for source, target in ((obj1, obj2), (obj2, obj1))
        for field in source._meta.concrete_fields
        if isinstance(field, ForeignKey) and isinstance(target, field.related_model)
    )

"""Deleting rows that rows of another environment refer to: what Django's collector of related rows is told of those.

It asks each model that has a relation to the deleted rows' for the rows that refer to them. With a schema of that
model's environment active these are that schema's, and Django does what `on_delete` says. With none active, rows of
every schema may refer to them: then nothing is deleted as long as any does.
"""

from functools import cache
from typing import Any

from django.db.models import Model, ProtectedError, Q

from .alias import SchemaAlias, SchemaTable
from .context import activate, active_alias
from .environments import databases_of
from .membership import table_environments
from .places import single_home
from .querysets import mixed, plain_class
from .schemas import schemas_of

__all__ = ["collected_manager"]

_SHOWN = 5
"""How many schemas an error names."""

# The stubs lack what a manager and a queryset have inside.
_Any: Any = object


def collected_manager(manager: Any) -> Any:
    """Make a base manager answer Django's collector so, in place, and return it."""
    cls: Any = type(manager)
    manager.__class__ = _collected_class(cls)
    return manager


class _CollectedMixin(_Any):  # type: ignore[misc]
    """For base managers: by these Django's collector asks for related rows, with the alias of what is to be deleted."""

    def using(self, alias: str | None) -> Any:
        """A queryset for an alias; for one of an environment that the model is not in, of what refers to its rows."""
        queryset = super().using(alias)
        environments = table_environments(self.model)
        if isinstance(alias, SchemaAlias) and alias.environment not in environments and not single_home(environments):
            cls: Any = type(queryset)
            queryset.__class__ = _referring_class(cls)
        return queryset


class _Referring(_Any):  # type: ignore[misc]
    """The rows of a model that refer to rows of another environment."""

    def filter(self, *args: Any, **kwargs: Any) -> Any:
        """Those that refer to these rows, as `Collector.related_objects` asks for them."""
        found = super().filter(*args, **kwargs)
        found.__class__ = plain_class(type(self))
        if not _refers_elsewhere(self.model, args):
            if active_alias(table_environments(self.model), found.db.db) is not None:
                return found
            _refuse_referred(self.model, args, kwargs)
        return _nothing(self.model, found.db)


@cache
def _collected_class(cls: Any) -> Any:
    return mixed(cls, _CollectedMixin, _plain=plain_class(cls))


@cache
def _referring_class(cls: Any) -> Any:
    return mixed(cls, _Referring)


def _nothing(model: type[Model], alias: SchemaAlias) -> Any:
    """An empty queryset, which can be used with nothing active: it names a place, and no SQL is sent for it."""
    place = SchemaAlias(alias.db, alias.schema, table_environments(model)[0])
    return model._base_manager.using(place).none()


def _refers_elsewhere(model: type[Model], args: tuple[Any, ...]) -> bool:
    """Whether the rows are of a model that has a table in the referring rows' own schemas, which is what these mean."""
    environments = table_environments(model)
    conditions: list[Any] = [condition for condition in args if isinstance(condition, Q)]
    for condition in conditions:
        for lookup, _ in condition.children:
            target: Any = model._meta.get_field(lookup.removesuffix("__in")).related_model
            table = target._meta.db_table
            if isinstance(table, SchemaTable) and set(table.environments) & set(environments):
                return True
    return False


def _refuse_referred(model: type[Model], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise ProtectedError if rows of any schema, in any database, refer to what is to be deleted."""
    referring: list[Any] = []
    for name in table_environments(model):
        for db in databases_of(name):
            for schema in schemas_of(db, name):
                place = SchemaAlias(db, schema, name)
                with activate(place):
                    referring += model._base_manager.using(place).filter(*args, **kwargs)[:1]
    if referring:
        places = [str(row._state.db.placement) for row in referring]
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        environments = " or ".join(map(repr, table_environments(model)))
        raise ProtectedError(
            f"Rows of {model._meta.label}, of environment {environments}, refer to what is to be deleted, in "
            f"{', '.join(places[:_SHOWN])}{more}: delete or change them there first, with schema_context(db, schema) "
            "or a tenant's context.",
            set(referring),
        )

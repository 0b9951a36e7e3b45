"""Managers that give their querysets a placement: what they are bound to, else their instance's, else the active one.

The classes are made on demand from the ones they replace and go by their names, as those of querysets are.
"""

from functools import cache
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .alias import SchemaAlias
from .caches import cache_mixins, keep_apart
from .context import active_alias, places
from .environments import home
from .importing import importing
from .membership import table_environments
from .places import instance_alias, placed_using, refuse_rebinding, single_home
from .querysets import (
    SchemaModelIterable,
    SchemaQuery,
    SchemaQuerySetMixin,
    mixed,
    placed_queryset_class,
    plain_class,
)
from .relations import guard_manager_class

__all__ = ["placed_manager", "placed_manager_class"]

# The stubs lack most of what a manager has inside.
_Manager: Any = object


class SchemaManagerMixin(_Manager):  # type: ignore[misc]
    """What a manager needs to give its querysets their placement. Mixed into each manager class in use."""

    instance: Model | None = None
    """The object that a relation's manager was made for."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Django makes the managers of relations as subclasses of this one.
        super().__init_subclass__(**kwargs)
        guard_manager_class(cls)

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        if not isinstance(queryset, SchemaQuerySetMixin):
            if not isinstance(queryset, QuerySet):
                return queryset
            queryset.__class__ = placed_queryset_class(type(queryset))
        query = queryset._query
        if type(query) is Query:
            query.__class__ = SchemaQuery
        if queryset._iterable_class is ModelIterable:
            queryset._iterable_class = SchemaModelIterable
        bound = self._bound() if self._db is not None or self._hints or self.instance is not None else None
        alias = bound or self._active()
        if _single_schema(self.model, alias) and not importing():
            query.around = places.stack()
        if alias is None:
            return queryset
        if bound is not None:
            query.bound = True
        if self._db is not None and self._hints.get("placement") is self._db:
            queryset._db = None
        query.placement = alias
        return queryset

    @property
    def db(self) -> SchemaAlias:
        """The alias to be asked, with the schema, also where another router of the project's names the database."""
        return placed_using(self.model, super().db, self._bound())

    def _bound(self) -> SchemaAlias | None:
        """The place that this manager is bound to, by itself or by the object whose relation it manages."""
        if isinstance(self._db, SchemaAlias):
            return self._db.primary
        placement: SchemaAlias | None = self._hints.get("placement")
        if placement is not None:
            return placement
        instance = self._hints.get("instance", self.instance)
        alias = None if instance is None else instance_alias(instance, table_environments(self.model))
        return None if alias is None else alias.primary

    def _active(self) -> SchemaAlias | None:
        """The place that querysets of an unbound manager are made for."""
        alias = active_alias(table_environments(self.model))
        return None if alias is None or importing() else alias

    def db_manager(self, using: str | None = None, hints: Any = None) -> Any:
        if using is not None:
            bound = self._bound()
            using = placed_using(self.model, using, (hints or {}).get("placement") or bound)
            refuse_rebinding(bound, using)
        return super().db_manager(using, hints)

    def deconstruct(self) -> Any:
        # Written into migrations: the class that the project knows.
        return _as_plain(self).deconstruct()

    def __eq__(self, other: object) -> Any:
        other = _as_plain(other) if isinstance(other, SchemaManagerMixin) else other
        return _as_plain(self) == other

    __hash__ = BaseManager.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The managers of relations are local classes of Django's: they are copied as ever, and can't be pickled.
        if "_plain" not in vars(type(self)):
            return super().__reduce_ex__(protocol)
        return _rebuild_manager, (plain_class(type(self)), self.__dict__)


def placed_manager(manager: Any) -> Any:
    """Make a manager give placed querysets, in place, and return it."""
    plain: Any = type(manager)
    if not issubclass(plain, SchemaManagerMixin):
        manager.__class__ = placed_manager_class(plain)
        keep_apart(manager)
    return manager


@cache
def placed_manager_class(plain: Any) -> Any:
    """The class of managers that carry placements, made from a plain one."""
    mixins = (*cache_mixins(plain), SchemaManagerMixin)
    return mixed(plain, *mixins, _queryset_class=placed_queryset_class(plain._queryset_class))


def _single_schema(model: Any, alias: SchemaAlias | None) -> bool:
    """Whether this place, or the one of the model's environment if none is known, is the one of all its rows."""
    return (home(alias.environment) if alias is not None else single_home(table_environments(model))) is not None


def _as_plain(manager: Any) -> Any:
    plain = plain_class(type(manager))
    twin = plain.__new__(plain)
    twin.__dict__.update(manager.__dict__)
    return twin


def _rebuild_manager(plain: Any, state: dict[str, Any]) -> Any:
    cls = placed_manager_class(plain)
    manager = cls.__new__(cls)
    manager.__dict__.update(state)
    return manager

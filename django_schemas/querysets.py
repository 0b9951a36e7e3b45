"""Querysets and managers that carry a placement.

A manager gives its queryset the placement it is bound to, else its instance's, else the active one; a queryset keeps
it through every clone, passes it to the router as a hint, and marks its query with it, so that the compiler can tell
when queries of two schemas were put into one statement. What mixes schemas in Python, before there is a statement, is
refused here.

The classes are made on demand from the ones they replace and go by their names: custom managers and querysets, those
of other packages included, work unchanged.
"""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cache, wraps
from typing import Any

from django.db.models import Manager, Model, Prefetch, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .alias import SchemaAlias, SchemaTable
from .context import active_alias, ensure_active
from .environments import replicas_of
from .exceptions import SchemaMismatch
from .importing import importing
from .membership import table_environments
from .routers import belongs, instance_alias, place, placed_using, refuse_other

__all__ = ["carry", "placed_manager", "placed_manager_class"]


class SchemaQuery(Query):
    """A query that knows the place it was made for, if there was one, and refuses values of another."""

    placement: SchemaAlias | None = None

    def check_query_object_type(self, value: Any, opts: Any, field: Any) -> None:
        """Refuse an object of another schema as the value of a look-up."""
        super().check_query_object_type(value, opts, field)
        if self.placement is not None:
            refuse_other(self.placement, value)
        elif isinstance(value, Model) and self.model is not None:
            # Made while nothing was active: it now holds a value of this schema, so it can be run in no other.
            alias = instance_alias(value, table_environments(self.model))
            self.placement = alias.primary if alias is not None else None

    def combine(self, rhs: Query, connector: str) -> None:
        """Refuse to combine (`|`, `&`, `^`) with a query of another schema."""
        other = getattr(rhs, "placement", None)
        if other is not None and self.placement is not None and not other.same_place(self.placement):
            raise SchemaMismatch(
                f"A query on {other.placement} can't be combined with one on {self.placement.placement}: "
                "make both in one schema."
            )
        super().combine(rhs, connector)
        self.placement = self.placement or other


class SchemaModelIterable(ModelIterable):
    """Yields objects that know their own place: the primary's, also when a replica was read, since they are saved and
    refreshed there; and that of their own environment, when they were fetched along with objects of another.
    """

    def __iter__(self) -> Iterator[Model]:
        queryset = self.queryset
        carried = queryset._db or queryset.placement
        if carried is not None and not queryset.query.select_related and not replicas_of(carried.db):
            return super().__iter__()
        return self._settled(queryset.db)

    def _settled(self, alias: SchemaAlias) -> Iterator[Model]:
        elsewhere = alias != alias.db or None
        for instance in super().__iter__():
            if elsewhere is None:
                elsewhere = self._joins_another(alias)
            if elsewhere:
                _settle(instance, alias, set())
            yield instance

    def _joins_another(self, alias: SchemaAlias) -> bool:
        """Whether objects of another environment were fetched along. Known once the query is compiled."""
        return any(
            isinstance(source.table_name, SchemaTable) and alias.environment not in source.table_name.environments
            for source in self.queryset.query.alias_map.values()
        )


def _settle(instance: Model, alias: SchemaAlias, seen: set[int]) -> None:
    if id(instance) in seen:
        return
    seen.add(id(instance))
    instance._state.db = alias.primary if belongs(instance, alias) else place(type(instance))
    for related in instance._state.fields_cache.values():
        if isinstance(related, Model) and related._state.db is alias:
            _settle(related, alias, seen)


class SchemaQuerySetMixin:
    """What a queryset needs to keep its placement. Mixed into QuerySet and each of its subclasses in use."""

    @property
    def placement(self) -> SchemaAlias | None:
        """The place that this queryset carries, if it carries one."""
        # The query may have learnt it later, from an object it was filtered by.
        placement: SchemaAlias | None = self._hints.get("placement") or self._query.placement
        return placement

    @property
    def db(self):
        if self._query.placement is not None and "placement" not in self._hints:
            carry(self, self._query.placement)
        # Another router of the project's may have named the database: the schema is added, or this is an error.
        return placed_using(self.model, super().db, self.placement)

    def using(self, alias):
        clone = super().using(alias)
        if alias is not None:
            clone._db = placed_using(self.model, alias, self.placement)
            carry(clone, clone._db.primary)
        return clone

    def _add_hints(self, **hints):
        super()._add_hints(**hints)
        if self.placement is None and hints.get("instance") is not None:
            alias = instance_alias(hints["instance"], table_environments(self.model))
            if alias is not None:
                carry(self, alias.primary)

    def _prefetch_related_objects(self):
        # Django gives hints to the very queryset of a Prefetch, which others may use after us in another schema.
        self._prefetch_related_lookups = tuple(
            copy(lookup) if isinstance(lookup, Prefetch) else lookup for lookup in self._prefetch_related_lookups
        )
        # What Django makes by itself to fetch related objects belongs where these objects are from.
        alias = self._db if isinstance(self._db, SchemaAlias) else self.placement
        if alias is None:
            return super()._prefetch_related_objects()
        with ensure_active(alias):
            return super()._prefetch_related_objects()

    def create(self, **kwargs):
        self._for_write = True
        with ensure_active(self.db):
            return super().create(**kwargs)

    create.alters_data = True

    def bulk_create(self, objs, *args, **kwargs):
        objs = list(objs)
        self._refuse_others(objs)
        return super().bulk_create(objs, *args, **kwargs)

    bulk_create.alters_data = True

    def bulk_update(self, objs, *args, **kwargs):
        objs = tuple(objs)
        self._refuse_others(objs)
        return super().bulk_update(objs, *args, **kwargs)

    bulk_update.alters_data = True

    def update(self, **kwargs):
        self._refuse_others(kwargs.values())
        return super().update(**kwargs)

    update.alters_data = True

    def contains(self, obj):
        self._refuse_others([obj])
        return super().contains(obj)

    def raw(self, raw_query, params=(), translations=None, using=None):
        from .raw import SchemaRawQuerySet

        using = self._db if using is None else placed_using(self.model, using, self.placement)
        raw = SchemaRawQuerySet(
            raw_query, model=self.model, params=params, translations=translations, using=using, hints=self._hints
        )
        raw._prefetch_related_lookups = self._prefetch_related_lookups[:]
        if hasattr(self, "_fetch_mode"):  # Django 6.1.
            raw._fetch_mode = self._fetch_mode
        return raw

    def _refuse_others(self, values: Iterable[object]) -> None:
        """Refuse objects of another schema than the one this queryset writes to."""
        others = [value for value in values if isinstance(value, Model)]
        if others:
            self._for_write = True
            alias = self.db
            for value in others:
                refuse_other(alias, value)

    def __reduce__(self):
        return _rebuild_queryset, (_plain(type(self)), self.__getstate__())


class SchemaManagerMixin:
    """What a manager needs to give its querysets their placement. Mixed into each manager class in use."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Django makes the managers of relations as subclasses of this one. Those methods of theirs that take objects
        # read just the keys of some of them, so the objects' schema is compared here.
        super().__init_subclass__(**kwargs)
        for name in ("add", "remove", "set"):
            method = vars(cls).get(name)
            if method is not None:
                setattr(cls, name, _same_schema(method))
        if "constrained_target" in vars(cls) and _plain(cls.__base__) is Manager:
            cls.count, cls.exists = _on_relation("count", cls.count), _on_relation("exists", cls.exists)

    def get_queryset(self):
        queryset = super().get_queryset()
        if not isinstance(queryset, QuerySet):
            return queryset
        if not isinstance(queryset, SchemaQuerySetMixin):
            queryset.__class__ = placed_queryset_class(type(queryset))
        if type(queryset._query) is Query:
            queryset._query.__class__ = SchemaQuery
        if queryset._iterable_class is ModelIterable:
            queryset._iterable_class = SchemaModelIterable
        alias = self._carried()
        if alias is None:
            return queryset
        if self._db is not None and self._hints.get("placement") is self._db:
            queryset._db = None
        return carry(queryset, alias)

    def _carried(self) -> SchemaAlias | None:
        """The place that querysets of this manager are bound to as they are made."""
        if isinstance(self._db, SchemaAlias):
            return self._db.primary
        placement = self._hints.get("placement")
        if placement is not None:
            return placement
        environments = table_environments(self.model)
        instance = self._hints.get("instance", getattr(self, "instance", None))
        if instance is not None:
            alias = instance_alias(instance, environments)
            if alias is not None:
                return alias.primary
        alias = active_alias(environments)
        return None if alias is None or importing() else alias

    def db_manager(self, using=None, hints=None):
        if using is not None and not isinstance(using, SchemaAlias):
            using = placed_using(self.model, using, (hints or self._hints).get("placement"))
        return super().db_manager(using, hints)

    def deconstruct(self):
        # Written into migrations: the class that the project knows.
        return _as_plain(self).deconstruct()

    def __eq__(self, other):
        other = _as_plain(other) if isinstance(other, SchemaManagerMixin) else other
        return _as_plain(self) == other

    __hash__ = BaseManager.__hash__

    def __reduce_ex__(self, protocol):
        # The managers of relations are local classes of Django's: they are copied as ever, and can't be pickled.
        if "_plain" not in vars(type(self)):
            return super().__reduce_ex__(protocol)
        return _rebuild_manager, (_plain(type(self)), self.__dict__)


def carry(queryset: QuerySet[Any], alias: SchemaAlias) -> QuerySet[Any]:
    """Bind a queryset to a place, in place, and return it."""
    queryset._hints = {**queryset._hints, "placement": alias}
    queryset._query.placement = alias
    return queryset


def placed_manager(manager: BaseManager[Any]) -> BaseManager[Any]:
    """Make a manager give placed querysets, in place, and return it."""
    if not isinstance(manager, SchemaManagerMixin):
        manager.__class__ = placed_manager_class(type(manager))
    return manager


@cache
def placed_manager_class(plain: type[BaseManager[Any]]) -> type[BaseManager[Any]]:
    """The class of managers that carry placements, made from a plain one."""
    return _mixed(SchemaManagerMixin, plain, _queryset_class=placed_queryset_class(plain._queryset_class))


@cache
def placed_queryset_class(plain: type[QuerySet[Any]]) -> type[QuerySet[Any]]:
    """The class of querysets that carry placements, made from a plain one."""
    return plain if issubclass(plain, SchemaQuerySetMixin) else _mixed(SchemaQuerySetMixin, plain)


def _mixed(mixin: type, plain: type, **attributes: object) -> Any:
    named = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    return type(plain.__name__, (mixin, plain), {**named, "_plain": plain, **attributes})


def _plain(cls: Any) -> type:
    return vars(cls).get("_plain", cls)


def _as_plain(manager: Any) -> Any:
    plain = _plain(type(manager))
    twin = plain.__new__(plain)
    twin.__dict__.update(manager.__dict__)
    return twin


def _rebuild_queryset(plain: type[QuerySet[Any]], state: dict[str, Any]) -> QuerySet[Any]:
    cls = placed_queryset_class(plain)
    queryset = cls.__new__(cls)
    queryset.__setstate__(state)
    return queryset


def _rebuild_manager(plain: type[BaseManager[Any]], state: dict[str, Any]) -> BaseManager[Any]:
    cls = placed_manager_class(plain) if issubclass(plain, BaseManager) else plain
    manager = cls.__new__(cls)
    manager.__dict__.update(state)
    return manager


def _on_relation(name: str, method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Have a many-to-many relation counted in its own table alone, without a join.

    Django does so by itself, but only where the class of the related model's manager is `Manager` and no other.
    """

    @wraps(method)
    def counted(self: Any) -> Any:
        target = self.constrained_target if self.get_prefetch_cache() is None else None
        return method(self) if target is None else getattr(target, name)()

    return counted


def _same_schema(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method of a relation's manager: refuse objects of another schema than the manager's own instance."""

    @wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = getattr(getattr(getattr(self, "instance", None), "_state", None), "db", None)
        if isinstance(own, SchemaAlias):
            # `set` takes any iterable, which can be read but once.
            # A string or a model may be iterable too, and is one item.
            args = tuple(
                arg if isinstance(arg, str | Model) or not isinstance(arg, Iterable) else tuple(arg) for arg in args
            )
            for item in (each for arg in args for each in (arg if isinstance(arg, tuple) else (arg,))):
                refuse_other(own, item)
        return method(self, *args, **kwargs)

    return guarded

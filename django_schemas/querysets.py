"""Querysets that carry a placement.

A queryset's query keeps the placement that the manager gave it through every clone, so that it is asked there, and so
that the compiler can tell when queries of two schemas were put into one statement. Objects of another schema are
refused where they are given to a queryset, before there is a statement.

The classes are made on demand from the ones they replace and go by their names: custom managers and querysets, those
of other packages included, work unchanged.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from django.db import connections, router
from django.db.models import Model
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .alias import SchemaAlias, SchemaTable
from .ambient import asteps_within, steps_within
from .context import ensure_active, places
from .environments import home, replicas_of
from .exceptions import SchemaMismatch
from .membership import table_environments
from .places import belongs, instance_alias, placed_using, refuse_other, refuse_rebinding, settle
from .raw import SchemaRawQuerySet
from .replicas import reader
from .routers import ExplicitRouter

__all__ = ["SchemaQuery", "SchemaQuerySetMixin", "carry", "mixed", "placed_queryset_class", "plain_class"]


class SchemaQuery(Query):
    """A query that knows the place it was made for, if there was one, and refuses values of another.

    Attributes:
        placement: where its model's rows are.
        bound: whether it is for rows of that place alone: its manager was bound, or it was filtered by an object.
        around: what was active as it was made, if its model is of a single-schema environment: it may join others.
    """

    placement: SchemaAlias | None = None
    bound: bool = False
    around: tuple[SchemaAlias, ...] = ()

    def get_compiler(self, using: Any = None, connection: Any = None, elide_empty: bool = True) -> Any:
        """The compiler of this query, for an alias with its schema. Looked up by the plain one, which takes half."""
        if connection is None and type(using) is SchemaAlias:
            connection = connections[using.text]
            return connection.ops.compiler(self.compiler)(self, connection, using, elide_empty)
        return super().get_compiler(using, connection, elide_empty)

    def check_query_object_type(self, value: Any, opts: Any, field: Any) -> None:
        """Refuse an object of another schema as the value of a look-up."""
        super().check_query_object_type(value, opts, field)
        if self.placement is not None:
            refuse_other(self.placement, value)
            self.bound = self.bound or (isinstance(value, Model) and belongs(value, self.placement))
        elif isinstance(value, Model):
            self._learn(value._state.db)

    def check_related_objects(self, field: Any, value: Any, opts: Any) -> None:
        """Check the value of a look-up in a relation; a query of another schema is refused as it is compiled."""
        super().check_related_objects(field, value, opts)
        if isinstance(value, SchemaQuery):
            self._learn(value.placement)

    def _learn(self, alias: object) -> None:
        """Take the place of a value, if this was made while nothing was active: now it can be run in no other."""
        if self.placement is None and isinstance(alias, SchemaAlias):
            model: Any = self.model
            self.placement = alias.primary if alias.environment in table_environments(model) else None
            self.bound = self.placement is not None

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


class SchemaModelIterable(ModelIterable):  # type: ignore[type-arg]  # not generic when Django runs
    """Yields objects that know their own place: the primary's, also when a replica was read, since they are saved and
    refreshed there; and that of their own environment, when they were fetched along with objects of another.
    """

    def __iter__(self) -> Iterator[Model]:
        queryset: Any = self.queryset
        # Not `queryset.placement`: somebody may have given the queryset a class of their own.
        carried = queryset.query.placement
        if (
            carried is not None
            and not queryset.query.select_related
            and not replicas_of(carried.db)
            # Else Django's collector asks, for what refers to rows of that place.
            and carried.environment in table_environments(queryset.model)
        ):
            return super().__iter__()
        return self._settled(queryset.db)

    def _settled(self, alias: SchemaAlias) -> Iterator[Model]:
        queryset: Any = self.queryset
        around = queryset.query.around or places.stack()
        joins: bool | None = None
        for instance in super().__iter__():
            if joins is None:
                joins = self._joins_another(alias)
            if joins:
                # These are of the schema that was active as the query was sent, whichever is by now.
                with places.instead(around):
                    settle(instance, alias)
            elif alias != alias.db:
                settle(instance, alias)
            yield instance

    def _joins_another(self, alias: SchemaAlias) -> bool:
        """Whether objects of another environment were fetched along. Known once the query is compiled."""
        return any(
            isinstance(source.table_name, SchemaTable) and alias.environment not in source.table_name.environments
            for source in self.queryset.query.alias_map.values()
        )


# The stubs lack most of what a queryset has inside.
_QuerySet: Any = object


class SchemaQuerySetMixin(_QuerySet):  # type: ignore[misc]
    """What a queryset needs to keep its placement. Mixed into QuerySet and each of its subclasses in use."""

    _db: str | None

    @property
    def placement(self) -> SchemaAlias | None:
        """The place that this queryset carries, if it carries one."""
        placement: SchemaAlias | None = self._query.placement
        return placement

    @property
    def db(self) -> SchemaAlias:
        """The alias to be asked, with the schema."""
        if type(self._db) is SchemaAlias:
            return self._db
        placement: SchemaAlias | None = self._query.placement
        if placement is not None and self._db is None and _is_settled(placement, self._hints.get("instance")):
            return placement if self._for_write else reader(placement, self.model._meta.label)
        return self._routed(placement)

    def _routed(self, placement: SchemaAlias | None) -> SchemaAlias:
        """What the routers say. Another one of the project's may name the database: the schema is added."""
        using = self._db
        if using is None:
            hints = self._hints
            if placement is not None and hints.get("instance") is not None:
                refuse_other(placement, hints["instance"])  # It says where; routers are told what Django tells them.
            elif placement is not None:
                hints = {**hints, "placement": placement}
            using = (router.db_for_write if self._for_write else router.db_for_read)(self.model, **hints)
        return placed_using(self.model, using, placement)

    def using(self, alias: str | None) -> Any:
        """The same queryset for a database given by hand; a plain alias means the schema carried, or the active one.

        Raises:
            SchemaMismatch: this queryset is bound to another place, or was filtered by objects of another.
        """
        clone = super().using(alias)
        if alias is not None:
            clone._db = placed_using(self.model, alias, self.placement)
            refuse_rebinding(self.placement if self._query.bound else None, clone._db)
            carry(clone, clone._db.primary)
        return clone

    def _add_hints(self, **hints: Any) -> None:
        super()._add_hints(**hints)
        if self.placement is None and hints.get("instance") is not None:
            alias = instance_alias(hints["instance"], table_environments(self.model))
            if alias is not None:
                carry(self, alias.primary)
                self._query.bound = True

    def _prefetch_related_objects(self) -> None:
        # What Django makes by itself to fetch related objects belongs where these objects are from.
        alias = self._db if isinstance(self._db, SchemaAlias) else self.placement
        with self._around(), nullcontext() if alias is None else ensure_active(alias):
            super()._prefetch_related_objects()

    def _iterator(self, *args: Any) -> Any:
        pinned = self._pinned()
        steps = super(SchemaQuerySetMixin, pinned)._iterator(*args)
        return steps_within(pinned._around, steps) if pinned._query.around else steps

    def aiterator(self, *args: Any, **kwargs: Any) -> Any:
        """Iterate asynchronously, with all steps in the schema that is meant here."""
        pinned = self._pinned()
        steps = super(SchemaQuerySetMixin, pinned).aiterator(*args, **kwargs)
        return asteps_within(pinned._around, steps) if pinned._query.around else steps

    def _pinned(self) -> Any:
        """This queryset, bound to the place where it would be evaluated now, and to what is active around it."""
        if self.placement is not None and home(self.placement.environment) is None:
            return self
        pinned = carry(self._chain(), self.db.primary)
        pinned._query.around = self._query.around or places.stack()
        return pinned

    def _around(self) -> AbstractContextManager[None]:
        """A context with what was active around this queryset as it was made, if that matters."""
        around = self._query.around
        return places.instead(around) if around else nullcontext()

    def __or__(self, other: Any) -> Any:
        with self._at_home():
            return super().__or__(other)

    def __xor__(self, other: Any) -> Any:
        with self._at_home():
            return super().__xor__(other)

    def _at_home(self) -> AbstractContextManager[Any]:
        """A context for what Django puts together by a base manager, as it does with slices."""
        return nullcontext() if self.placement is None else ensure_active(self.placement)

    def create(self, **kwargs: Any) -> Any:
        """Create an object, which belongs to this queryset's place from the beginning."""
        with ensure_active(self._written_to()):
            return super().create(**kwargs)

    create.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Insert objects; those of another schema are refused."""
        objs = list(objs)
        self._refuse_others(objs, self._written_to)
        return super().bulk_create(objs, *args, **kwargs)

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Update objects; those of another schema are refused."""
        objs = tuple(objs)
        self._refuse_others(objs, self._written_to)
        return super().bulk_update(objs, *args, **kwargs)

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def update(self, **kwargs: Any) -> Any:
        """Update rows; values that are objects of another schema are refused."""
        self._refuse_others(kwargs.values(), self._written_to)
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> Any:
        """Delete rows; receivers of signals have their schema active."""
        with self._around(), ensure_active(self.db):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def contains(self, obj: Any) -> Any:
        """Tell whether an object is in the queryset; one of another schema is refused."""
        self._refuse_others([obj], lambda: self.db)
        return super().contains(obj)

    def raw(self, raw_query: Any, params: Any = (), translations: Any = None, using: str | None = None) -> Any:
        """A raw query that runs in this queryset's schema."""
        using = self._db if using is None else placed_using(self.model, using, self.placement)
        hints = {**self._hints, "placement": self.placement}
        raw: Any = SchemaRawQuerySet(
            raw_query, model=self.model, params=params, translations=translations, using=using, hints=hints
        )
        raw._prefetch_related_lookups = self._prefetch_related_lookups[:]
        if hasattr(self, "_fetch_mode"):  # Django 6.1.
            raw._fetch_mode = self._fetch_mode
        return raw

    def _written_to(self) -> SchemaAlias:
        """The alias to be written to: another router of the project's may read elsewhere."""
        self._for_write = True
        return self.db

    def _refuse_others(self, values: Iterable[object], asked: Callable[[], SchemaAlias]) -> None:
        """Refuse objects of another schema than the one that is asked."""
        others = [value for value in values if isinstance(value, Model)]
        if others:
            alias = asked()
            for value in others:
                refuse_other(alias, value)

    def __reduce__(self) -> Any:
        return _rebuild_queryset, (plain_class(type(self)), self.__getstate__())


def carry(queryset: Any, alias: SchemaAlias) -> Any:
    """Bind a queryset to a place, in place, and return it."""
    queryset._query.placement = alias
    return queryset


def _is_settled(placement: SchemaAlias, instance: Model | None) -> bool:
    """Tell whether a placement alone says where to ask: no other router has a say, nor an object of another place."""
    routers = router.routers
    if not routers or type(routers[0]) is not ExplicitRouter:
        return False
    return instance is None or instance._state.db is placement or instance._state.db == placement


@cache
def placed_queryset_class(plain: Any) -> Any:
    """The class of querysets that carry placements, made from a plain one."""
    return plain if issubclass(plain, SchemaQuerySetMixin) else mixed(plain, SchemaQuerySetMixin)


def mixed(plain: type, *mixins: type, **attributes: object) -> Any:
    """A class made from a plain one, with mixins before it, that goes by its name."""
    named = {"__module__": plain.__module__, "__qualname__": plain.__qualname__, "__doc__": plain.__doc__}
    return type(plain.__name__, (*mixins, plain), {**named, "_plain": plain, **attributes})


def plain_class(cls: Any) -> Any:
    """The class that a placed one was made from; any other class itself."""
    return vars(cls).get("_plain", cls)


def _rebuild_queryset(plain: Any, state: dict[str, Any]) -> Any:
    cls: Any = placed_queryset_class(plain)
    queryset = cls.__new__(cls)
    queryset.__setstate__(state)
    return queryset

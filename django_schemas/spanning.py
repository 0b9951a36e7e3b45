# ruff: noqa: D102  # Methods that have no more to say than those of querysets of their names.
"""Queries over many schemas at once: `Model.across(places)`. They read, and nothing else.

What is asked is put to each schema by itself, as a queryset bound to it would, and the answers are put together: in one
statement for each database (`unions`), and in Python over several. Objects belong to the schema they are from.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import partial, reduce
from inspect import isfunction
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, TypeVar, overload, runtime_checkable

from asgiref.sync import sync_to_async
from django.core.exceptions import FieldError
from django.db.models import Aggregate, CharField, Count, Model, QuerySet, Value
from django.db.models.functions import Cast
from django.db.models.query import prefetch_related_objects

from .binding import bind
from .context import ensure_active
from .exceptions import ConfigError
from .placement import Placement
from .totals import totals_of
from .unions import rows_of

__all__ = ["Across", "Named", "across"]

_M = TypeVar("_M", bound=Model)
_Step = Callable[[Any], Any]

_STEPS = frozenset(
    (
        *("alias", "all", "annotate", "complex_filter", "defer", "distinct", "exclude", "filter", "none", "only"),
        *("order_by", "prefetch_related", "reverse", "select_related", "values", "values_list"),
    )
)
"""Methods of querysets that are put to each schema's."""

_ALL = slice(0, None)


class Placed(Protocol):
    """What has a placement, as a tenant has."""

    @property
    def placement(self) -> Placement: ...


@runtime_checkable
class Named(Protocol):
    """What says how a query over several names it."""

    def name_across(self) -> tuple[str, str]:
        """The name of a column, the same for all, and what stands there for this one."""
        ...


class _Source(NamedTuple):
    """One of the schemas that are asked: the model, bound to it, and how it is named in which column."""

    bound: Any
    column: str
    name: str


def across(model: type[_M], places: Iterable[Placement | Placed]) -> "Across[_M]":
    """Ask many schemas at once: `Model.across` for any model, those of adopted apps included.

    Args:
        model: of an environment that all these schemas are of.
        places: placements, or what has them, as tenants have. One that is there twice is asked once.

    Returns:
        What is filtered, ordered and read as a queryset is. Each row says in a column whose it is: `tenant`, with the
        slug, for tenants; `placement` for placements.

    Raises:
        ConfigError: a database does not host an environment of the model, or some name themselves in another column.
    """
    named = {_placement(place): _name(place) for place in places}
    sources = [_Source(bind(model, at.db, at.schema), *name) for at, name in named.items()]
    columns = sorted({source.column for source in sources})
    if len(columns) > 1:
        raise ConfigError(f"These places name themselves in the columns {', '.join(columns)}: ask one kind at a time.")
    return Across(model, tuple(sources))


def _placement(place: Placement | Placed) -> Placement:
    return place if isinstance(place, Placement) else place.placement


def _name(place: Placement | Placed) -> tuple[str, str]:
    return place.name_across() if isinstance(place, Named) else ("placement", str(_placement(place)))


class Across(Generic[_M]):
    """A query over several schemas, which is asked when its rows are needed, and remembers them.

    It has the methods of querysets that read. Its rows are in the order that was asked for, text by code point, since
    each database may have a collation of its own; without an order schema by schema. Statements are one for each
    database and hundred schemas, each with a snapshot of its own.
    """

    def __init__(
        self, model: type[_M], sources: tuple[_Source, ...], steps: tuple[_Step, ...] = (), cut: slice = _ALL
    ) -> None:
        self.model = model
        self._sources = sources
        self._steps = steps
        self._cut = cut
        self._rows: list[Any] | None = None

    if TYPE_CHECKING:

        def alias(self, *args: Any, **kwargs: Any) -> Self: ...
        def all(self) -> Self: ...
        def annotate(self, *args: Any, **kwargs: Any) -> Self: ...
        def complex_filter(self, filter_obj: Any) -> Self: ...
        def defer(self, *fields: str) -> Self: ...
        def distinct(self) -> Self: ...
        def exclude(self, *args: Any, **kwargs: Any) -> Self: ...
        def filter(self, *args: Any, **kwargs: Any) -> Self: ...
        def none(self) -> Self: ...
        def only(self, *fields: str) -> Self: ...
        def order_by(self, *fields: Any) -> Self: ...
        def prefetch_related(self, *lookups: Any) -> Self: ...
        def reverse(self) -> Self: ...
        def select_related(self, *fields: str) -> Self: ...
        def values(self, *fields: Any, **expressions: Any) -> "Across[Any]": ...
        def values_list(
            self, *fields: Any, flat: bool = False, named: bool = False, **expressions: Any
        ) -> "Across[Any]": ...

    def __getattr__(self, name: str) -> Any:
        if name not in _STEPS and not self._is_custom(name):
            raise AttributeError(
                f"A query across schemas has no {name!r}: it reads only. Ask in one schema for anything else."
            )
        return partial(self._with_step, name)

    def _is_custom(self, name: str) -> bool:
        """Whether the model's own queryset class has this method."""
        own = getattr(type(self.model._default_manager.none()), name, None)
        return not name.startswith("_") and isfunction(own) and not hasattr(QuerySet, name)

    def _with_step(self, name: str, /, *args: Any, **kwargs: Any) -> Self:
        if self._cut != _ALL:
            raise TypeError(f"{name}() comes before the slice: a part of the rows can't be asked for anything.")

        def step(queryset: Any) -> Any:
            # Prefetch objects keep what they find.
            given = deepcopy(args) if name == "prefetch_related" else args
            answer = getattr(queryset, name)(*given, **kwargs)
            if not isinstance(answer, QuerySet):
                raise TypeError(f"{name}() returns no queryset, so it can't be asked across schemas.")
            return answer

        found = type(self)(self.model, self._sources, (*self._steps, step))
        if self._sources:
            found._queryset(self._sources[0])  # What is wrong is said here, and not as the rows are needed.
        return found

    def _queryset(self, source: _Source) -> Any:
        """What one schema is asked."""
        start = source.bound._default_manager.annotate(**{source.column: Cast(Value(source.name), CharField())})
        return reduce(_apply, self._steps, start)

    def _querysets(self) -> list[Any]:
        querysets = [self._queryset(source) for source in self._sources]
        if querysets:
            self._refuse_mixed(querysets[0])
        return querysets

    def _refuse_mixed(self, queryset: Any) -> None:
        """Refuse what would have to be put together from the rows of several schemas."""
        query, column = queryset.query, self._sources[0].column
        if query.distinct_fields:
            raise FieldError("distinct() can't be given fields across schemas.")
        if queryset._fields is not None and query.group_by is not None and column not in query.annotation_select:
            raise FieldError(f"Across schemas, rows are grouped by schema too: values({column!r}, ...).")

    def _is_one_each(self, queryset: Any) -> bool:
        """Whether rows of two schemas may be the same, and are to be there once."""
        named = self._sources[0].column in queryset.query.annotation_select
        return bool(queryset.query.distinct) and queryset._fields is not None and not named

    def _all(self) -> list[Any]:
        """All rows, which are asked for once."""
        if self._rows is None:
            self._rows = list(self._fetch(None))
        return self._rows

    def __iter__(self) -> Iterator[_M]:
        return iter(self._all())

    def __aiter__(self) -> AsyncIterator[_M]:
        async def rows() -> AsyncIterator[_M]:
            for row in await sync_to_async(lambda: list(self))():
                yield row

        return rows()

    def iterator(self, chunk_size: int = 2000) -> Iterator[_M]:
        """Read rows as they are needed, and remember none.

        Args:
            chunk_size: how many to fetch at a time, by a cursor of the server's if it may have one.
        """
        if chunk_size < 1:
            raise ValueError("chunk_size must be at least 1.")
        return self._fetch(chunk_size)

    def _fetch(self, chunk_size: int | None) -> Iterator[Any]:
        querysets = self._querysets()
        if not querysets:
            return iter(())
        rows = rows_of(querysets, self._cut.stop, chunk_size)
        if self._is_one_each(querysets[0]):
            rows = _first_of_each(rows)
        rows = islice(rows, self._cut.start, self._cut.stop)
        if querysets[0]._prefetch_related_lookups:
            return _prefetched(querysets, rows, chunk_size)
        return (row for _, row in rows)

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return bool(self._all())

    @overload
    def __getitem__(self, key: int) -> _M: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | slice) -> Any:
        cut = slice(key, key + 1) if isinstance(key, int) else key
        start, stop = cut.start or 0, cut.stop
        if cut.step is not None or start < 0 or (stop is not None and stop < 0):
            raise ValueError("A query across schemas is cut by a beginning and an end, counted from the first row.")
        if self._rows is not None:
            return self._rows[key]
        ends = [self._cut.start + stop] if stop is not None else []
        ends += [self._cut.stop] if self._cut.stop is not None else []
        cut = slice(self._cut.start + start, min(ends, default=None))
        found = type(self)(self.model, self._sources, self._steps, cut)
        return list(found)[0] if isinstance(key, int) else found  # noqa: RUF015  # an IndexError if there is none

    def __repr__(self) -> str:
        return f"<{self.model._meta.label} across {self._many}>"

    @property
    def _many(self) -> str:
        return f"{len(self._sources)} schemas"

    def get(self, *args: Any, **kwargs: Any) -> _M:
        """The one row that there is.

        Raises:
            DoesNotExist: there is none.
            MultipleObjectsReturned: there are several, in one schema or in several.
        """
        model: Any = self.model
        found = list(self.filter(*args, **kwargs)[:2])
        if not found:
            raise model.DoesNotExist(f"{model._meta.label} matching query does not exist across {self._many}.")
        if len(found) > 1:
            raise model.MultipleObjectsReturned(f"get() found more than one {model._meta.label} across {self._many}.")
        return found[0]

    def first(self) -> _M | None:
        """The first row, by primary key if there is no order; None if there is none."""
        return next(iter(self._in_some_order()[:1]), None)

    def last(self) -> _M | None:
        """The last row, by primary key if there is no order; None if there is none."""
        return next(iter(self._in_some_order().reverse()[:1]), None)

    def _in_some_order(self) -> Self:
        ordered = not self._sources or self._queryset(self._sources[0]).ordered
        return self if ordered or self._cut != _ALL else self.order_by("pk", self._sources[0].column)

    def exists(self) -> bool:
        """Whether there is any row."""
        return bool(self if self._cut != _ALL else self.order_by()[:1])

    def count(self) -> int:
        """How many rows there are."""
        if self._rows is not None:
            return len(self._rows)
        if not self._sources:
            return 0
        if self._is_one_each(self._queryset(self._sources[0])):
            return sum(1 for _ in self._fetch(2000))
        whole = type(self)(self.model, self._sources, self._steps)
        counts = whole._asked_of_each({"count": Count("*")}, lambda queryset: {"count": queryset.count()})
        total = sum(int(each["count"]) for each in counts)
        return len(range(total)[self._cut])

    def aggregate(self, *args: Aggregate, **kwargs: Aggregate) -> dict[str, Any]:
        """Count, Sum, Min, Max and Avg of the rows of all schemas together.

        Raises:
            TypeError: of another kind, of distinct values, of text, or of a slice: what the schemas say can't be put
                together.
        """
        if self._cut != _ALL:
            raise TypeError("aggregate() comes before the slice.")
        totals = totals_of({**{each.default_alias: each for each in args}, **kwargs})
        parts = {name: part for total in totals.values() for name, part in total.parts.items()}
        found = self._asked_of_each(parts, lambda queryset: queryset.aggregate(**parts))
        return {name: total.of_all(found) for name, total in totals.items()}

    def _asked_of_each(
        self, parts: Mapping[str, Aggregate], by_itself: Callable[[Any], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What each schema says: in one statement, unless what is aggregated has to be made first."""
        querysets = self._querysets()
        if not querysets:
            return []
        query, column = querysets[0].query, self._sources[0].column
        if query.distinct or query.group_by is not None:
            return [by_itself(queryset) for queryset in querysets]
        asked = [queryset.order_by().values(column).annotate(**parts) for queryset in querysets]
        return [row for _, row in rows_of(asked, None, None)]

    async def acount(self) -> int:
        """As `count`, asynchronously."""
        return await sync_to_async(self.count)()

    async def aexists(self) -> bool:
        """As `exists`, asynchronously."""
        return await sync_to_async(self.exists)()

    async def aget(self, *args: Any, **kwargs: Any) -> _M:
        """As `get`, asynchronously."""
        return await sync_to_async(self.get)(*args, **kwargs)

    async def afirst(self) -> _M | None:
        """As `first`, asynchronously."""
        return await sync_to_async(self.first)()

    async def aaggregate(self, *args: Aggregate, **kwargs: Aggregate) -> dict[str, Any]:
        """As `aggregate`, asynchronously."""
        return await sync_to_async(self.aggregate)(*args, **kwargs)


def _apply(queryset: Any, step: _Step) -> Any:
    return step(queryset)


def _first_of_each(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Leave out rows that were there before: dicts, tuples and values."""
    seen: set[Any] = set()
    for number, row in rows:
        key = tuple(row.items()) if isinstance(row, dict) else row
        if key not in seen:
            seen.add(key)
            yield number, row


def _prefetched(querysets: list[Any], rows: Iterator[tuple[int, Any]], chunk_size: int | None) -> Iterator[Any]:
    """Fetch related objects of so many rows at a time, of each schema by itself."""
    while chunk := list(islice(rows, chunk_size)):
        by_number: dict[int, list[Any]] = {}
        for number, row in chunk:
            by_number.setdefault(number, []).append(row)
        for number, objects in by_number.items():
            queryset = querysets[number]
            with ensure_active(queryset.db):
                prefetch_related_objects(objects, *queryset._prefetch_related_lookups)
        yield from (row for _, row in chunk)

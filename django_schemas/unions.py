"""One statement over several schemas: `UNION ALL` of what each is asked, of which each row goes back to whom it is of.

Each part is a queryset of one schema, compiled by its own compiler as if it were alone, so whatever may be asked in one
schema may be asked here, and nothing of one schema is joined to another's. Behind its own columns each part selects
what it is ordered by, and its number, by which a row is handed to the part's own iterable: that makes the object.
"""

from collections.abc import Hashable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache, partial, total_ordering
from heapq import merge
from itertools import chain
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.models import Value
from django.db.models.expressions import Ref
from django.db.models.sql.constants import MULTI

from .alias import SchemaAlias
from .querysets import mixed
from .roles import login_of

__all__ = ["rows_of"]

_SCHEMAS = 100
"""How many schemas a statement asks at most: each table and each of its indexes takes a lock, of which there are some
6,400 by default for all sessions together."""

_ORDERED = (bool, int, float, Decimal, str, date, time, timedelta, UUID)
"""Types whose values Python orders as PostgreSQL does; text by code points, as it does with the collation "C"."""

# The stubs lack most of what a compiler has inside.
_Compiler: Any = object


class _PartCompiler(_Compiler):  # type: ignore[misc]
    """Compiles a part: what it is ordered by become columns behind its own, and its number the last.

    Attributes:
        number: the part's number in its statement.
        order: of what the part is ordered by.
    """

    number: int
    order: "list[_Order]"

    def get_order_by(self) -> list[Any]:
        found = super().get_order_by()
        self.order = [_Order.of(term) for term, _ in found]
        self._keys = [_selected(term.expression) for term, _ in found]
        return []

    def get_extra_select(self, order_by: Any, select: Any) -> list[Any]:
        keys = [(key, self._key(key), None) for key in self._keys]
        return [*keys, (Value(self.number), (str(self.number), ()), None)]

    def _key(self, key: Any) -> tuple[str, Any]:
        """The column of what a part is ordered by; text in the order that all databases and Python have."""
        sql, params = self.compile(key)
        kind = key.output_field.db_type(self.connection) or ""
        return (f'{sql} COLLATE "C"' if kind.startswith(("varchar", "text", "char", "citext")) else sql), params


@dataclass(frozen=True, slots=True)
class _Order:
    """A term of an order."""

    descending: bool
    nulls_first: bool

    @classmethod
    def of(cls, term: Any) -> "_Order":
        """Read it from Django's own. PostgreSQL takes NULL for greater than all values, unless told otherwise."""
        nulls_first = bool(term.nulls_first) or (term.descending and not term.nulls_last)
        return cls(term.descending, nulls_first)

    def sql(self, position: int) -> str:
        """The term of ORDER BY."""
        return f"{position} {'DESC' if self.descending else 'ASC'} NULLS {'FIRST' if self.nulls_first else 'LAST'}"

    def key(self, value: Any) -> Any:
        """What sorts as this term has the value sorted.

        Raises:
            TypeError: Python would sort such values in another order than PostgreSQL did.
        """
        if value is None:
            return (0 if self.nulls_first else 2,)
        if not isinstance(value, _ORDERED):
            raise TypeError(f"Rows of several databases can't be put in the order of a {type(value).__name__}.")
        # NaN is greater than all other numbers.
        key = (value != value, 0 if value != value else value)
        return (1, _Reversed(key) if self.descending else key)


@total_ordering
class _Reversed:
    """A value that sorts before those that are less."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(self.value == other.value)

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.value < self.value)

    __hash__ = None  # type: ignore[assignment]  # nobody needs it


class _Part:
    """What one schema is asked, and what it answers.

    Args:
        queryset: of that schema, and its own: not sliced, and nobody else's.
        number: which it is in its statement.
    """

    def __init__(self, queryset: Any, number: int) -> None:
        self.queryset = queryset
        query = queryset._query = copy(queryset.query)
        self.compiler = query.get_compiler(using=queryset.db)
        self.compiler.__class__ = _part_compiler(cast(Hashable, type(self.compiler)))
        self.compiler.number = number
        self.sql, self.params = self.compiler.as_sql()
        self._row: Any = None
        self.compiler.execute_sql = self._rows
        query.get_compiler = lambda *args, **kwargs: self.compiler
        self._objects = iter(queryset._iterable_class(queryset))

    def _rows(self, *args: Any, **kwargs: Any) -> Iterator[list[Any]]:
        while True:
            yield [self._row]

    def made_of(self, row: Sequence[Any]) -> Any:
        """What the queryset makes of a row: an object, a dict, a tuple, a value."""
        self._row = row[: self.compiler.col_count]
        return next(self._objects)

    @property
    def order(self) -> list[_Order]:
        """Of what this is ordered by; the same for all parts."""
        found: list[_Order] = self.compiler.order
        return found

    def key(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """What sorts as this part is ordered."""
        first: int = self.compiler.col_count
        return tuple(order.key(value) for order, value in zip(self.order, row[first:-1], strict=True))


@cache
def _part_compiler(plain: Hashable) -> Any:
    return mixed(cast(type, plain), _PartCompiler)


def _selected(key: Any) -> Any:
    """The expression that is meant where an order refers to a column that is selected."""
    return cast(Any, key).source if isinstance(key, Ref) else key


def rows_of(querysets: Sequence[Any], limit: int | None, chunk_size: int | None) -> Iterator[tuple[int, Any]]:
    """Ask several schemas, in as few statements as may be, and yield what they answer in the order they ask for.

    Args:
        querysets: one of each schema, alike in all else; not sliced.
        limit: how many rows are needed at most; None: all.
        chunk_size: how many rows to fetch at a time, by a cursor of the server's where there may be one; None: all.

    Yields:
        the number of the queryset, and what it makes of the row.
    """
    answers = [_ask(numbered, limit, chunk_size) for numbered in _statements(querysets)]
    if len(answers) > 1 and querysets[0].ordered:
        found: Iterator[Any] = merge(*(map(_with_key, answer) for answer in answers), key=lambda pair: pair[0])
        return (_made(answer) for _, answer in found)
    return map(_made, chain.from_iterable(answers))


_Numbered = tuple[int, Any]
_Answer = tuple[int, _Part, Sequence[Any]]


def _with_key(answer: _Answer) -> tuple[Any, _Answer]:
    _, part, row = answer
    return part.key(row), answer


def _made(answer: _Answer) -> tuple[int, Any]:
    number, part, row = answer
    return number, part.made_of(row)


def _statements(querysets: Sequence[Any]) -> Iterator[list[_Numbered]]:
    """Which querysets are asked in one statement: those of one database; where schemas have roles, each by itself."""
    by_database: dict[str, list[_Numbered]] = {}
    for number, each in enumerate(querysets):
        queryset = each._chain()
        # Asked once: replicas take turns, and the one that is found is the one to be asked.
        queryset._db = queryset.db
        by_database.setdefault(queryset.db.text, []).append((number, queryset))
    for numbered in by_database.values():
        alias: SchemaAlias = numbered[0][1].db
        size = _SCHEMAS if login_of(alias.environment, alias.db) is None else 1
        yield from (numbered[start : start + size] for start in range(0, len(numbered), size))


def _ask(numbered: Sequence[_Numbered], limit: int | None, chunk_size: int | None) -> Iterator[_Answer]:
    parts = {}
    for number, queryset in numbered:
        try:
            parts[number] = _Part(queryset, number)
        except EmptyResultSet:
            continue
    if parts:
        for row in _fetch(list(parts.values()), limit, chunk_size):
            yield row[-1], parts[row[-1]], row


def _fetch(parts: Sequence[_Part], limit: int | None, chunk_size: int | None) -> Iterator[Any]:
    first = parts[0].queryset
    compiler = type(first)(first.model).query.get_compiler(using=first.db)
    compiler.as_sql = partial(_united, parts, limit)
    compiler.has_extra_select = False
    chunked = chunk_size is not None and not compiler.connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    results = compiler.execute_sql(MULTI, chunked_fetch=chunked, chunk_size=chunk_size or 2000)
    return chain.from_iterable(results)


def _united(parts: Sequence[_Part], limit: int | None) -> tuple[str, tuple[Any, ...]]:
    """The statement that asks all parts."""
    ending = _ending(parts[0], limit)
    if len(parts) == 1:
        return parts[0].sql + ending, tuple(parts[0].params)
    # Each part is cut by itself too, so that it may use an index.
    asked = [part.sql if limit is None else f"({part.sql}{ending})" for part in parts]
    return " UNION ALL ".join(asked) + ending, tuple(chain.from_iterable(part.params for part in parts))


def _ending(part: _Part, limit: int | None) -> str:
    first = part.compiler.col_count + 1
    terms = ", ".join(order.sql(position) for position, order in enumerate(part.order, first))
    return (f" ORDER BY {terms}" if terms else "") + ("" if limit is None else f" LIMIT {int(limit)}")

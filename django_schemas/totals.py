"""Aggregates of many schemas: what each of them is asked, and how what they say is put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import count
from operator import add
from typing import Any

from django.db.models import Aggregate, Avg, Count, Max, Min, Sum

__all__ = ["Total", "totals_of"]

_TOGETHER: Mapping[type[Aggregate], Callable[[Any, Any], Any]] = {Count: add, Sum: add, Min: min, Max: max}


@dataclass(frozen=True)
class Total:
    """An aggregate over many schemas.

    Attributes:
        kind: what it is of Django's.
        parts: what each schema is asked, by a name; two for an average.
        default: what it is if there are no values.
    """

    kind: type[Aggregate]
    parts: Mapping[str, Aggregate]
    default: Any

    def of_all(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """What the schemas say together.

        Raises:
            TypeError: it is the least or the greatest of texts, which each database may put in an order of its own.
        """
        found = [self._together(name, part, rows) for name, part in self.parts.items()]
        if self.kind is not Avg:
            return self.default if found[0] is None else found[0]
        total, number = found
        return total / number if number else self.default

    def _together(self, name: str, part: Aggregate, rows: Sequence[Mapping[str, Any]]) -> Any:
        values = [row[name] for row in rows if row[name] is not None]
        if any(isinstance(value, str) for value in values):
            raise TypeError(f"{self.kind.__name__} of text: across schemas, order by it and take the first row.")
        if not values:
            return 0 if type(part) is Count else None
        return reduce(_TOGETHER[type(part)], values)


def totals_of(aggregates: Mapping[str, Aggregate]) -> dict[str, Total]:
    """How these aggregates are made up over many schemas.

    Raises:
        TypeError: what the schemas say of one of them can't be put together.
    """
    names = (f"across_{number}" for number in count())
    return {name: _total(aggregate, names) for name, aggregate in aggregates.items()}


def _total(aggregate: Any, names: Any) -> Total:
    kind = type(aggregate)
    if kind is not Avg and kind not in _TOGETHER:
        raise TypeError(
            f"{kind.__name__} can't be made up of several schemas' answers: only Count, Sum, Min, Max and Avg."
        )
    if aggregate.distinct:
        raise TypeError(f"{kind.__name__} of distinct values can't be made up of what several schemas say.")
    _, args, kwargs = aggregate.deconstruct()
    kwargs.pop("default", None)
    asked = [each(*args, **kwargs) for each in ((Sum, Count) if kind is Avg else (kind,))]
    return Total(kind, {next(names): part for part in asked}, aggregate.default)

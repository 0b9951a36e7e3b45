"""A figure: what one measurement found of one contender. Written to JSON as it is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

__all__ = ["LIMIT", "OURS", "PEERS", "Figure", "of_rows"]

OURS = "ours"
LIMIT = "limit"
PEERS = {"tenants": "django-tenants", "pgschemas": "django-pgschemas"}
"""The other libraries: their packages here, and their names."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one measurement found.

    Attributes:
        part: the measurement.
        task: what was done, and in which way.
        contender: who did it.
        values: what each repetition gave.
        unit: of the values.
        schemas: how many there were in the database; 0 where that does not matter.
        processes: how many worked at once.
    """

    part: str
    task: str
    contender: str
    values: Sequence[float]
    unit: str = "ms"
    schemas: int = 0
    processes: int = 1

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    def as_row(self) -> dict[str, Any]:
        """For JSON: the median, and the values behind it."""
        return {**asdict(self), "median": round(self.median, 4), "values": [round(value, 4) for value in self.values]}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Figure":
        """Back from JSON."""
        return cls(**{name: value for name, value in row.items() if name != "median"})


def of_rows(part: str, rows: Iterable[dict[str, Any]]) -> Iterator[Figure]:
    """The figures of a comparison with plain Django: microseconds and statements of each side."""
    for row in rows:
        for side, us in row["us"].items():
            yield Figure(part, row["task"], side, [us], "us")
            yield Figure(f"{part}, statements", row["task"], side, [row["statements"][side]], "")

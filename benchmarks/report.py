"""What was found, as look-ups, as lines and as cells of tables: ratios are made here, of medians of one run."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .figures import LIMIT, PEERS, Figure

__all__ = ["Report", "lines", "number", "table", "with_ratio"]


class Report:
    """All figures of a run."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.figures = list(figures)

    def having(self, **wanted: Any) -> list[Figure]:
        """Figures with these attributes."""
        return [
            figure for figure in self.figures if all(getattr(figure, name) == value for name, value in wanted.items())
        ]

    def median(self, **wanted: Any) -> float | None:
        """The median of the one figure with these attributes; None if that was not measured."""
        found = self.having(**wanted)
        return found[0].median if found else None

    def best(self, contenders: Iterable[str], **wanted: Any) -> float | None:
        """The smallest median of some contenders', in whatever way."""
        medians = [figure.median for name in contenders for figure in self.having(contender=name, **wanted)]
        return min(medians, default=None)

    def limit_of(self, figure: Figure) -> float | None:
        """What PostgreSQL itself needs for the same, or plain Django; None if there is no such thing."""
        same = {"part": figure.part, "schemas": figure.schemas, "processes": figure.processes, "unit": figure.unit}
        if figure.part not in ("provisioning", "large"):
            same["task"] = figure.task
        return self.best((LIMIT, "plain"), **same)

    def sizes(self, part: str) -> Sequence[int]:
        """At how many schemas a part measured."""
        return sorted({figure.schemas for figure in self.having(part=part)})


def lines(figures: Sequence[Figure]) -> Iterator[str]:
    """A line for each figure, with its ratio to the limit or to plain Django."""
    report = Report(figures)
    for figure in figures:
        limit = report.limit_of(figure)
        name = PEERS.get(figure.contender, figure.contender)
        where = f"{figure.schemas:,} schemas" if figure.schemas else ""
        how = f"{figure.processes} processes" if figure.processes > 1 else ""
        ratio = f"{figure.median / limit:8.2f} x" if limit else ""
        yield (
            f"{figure.part:18} {where:>14}  {figure.task:34} {how:12} {name:17}"
            f"{figure.median:10.2f} {figure.unit:3}{ratio}"
        )


def with_ratio(value: float | None, base: float | None) -> str:
    """A value and how many times a base it is, for a cell; empty if it was not measured."""
    if value is None:
        return ""
    return f"{number(value)} ({value / base:.2f} x)" if base and value != base else number(value)


def number(value: float) -> str:
    """A number with three digits, or all that it has before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A table in Markdown."""
    every = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in every) + "\n"

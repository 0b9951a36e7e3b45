"""`tenant stats`: figures of the whole platform."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import filesizeformat

from ...stats import DatabaseStats, forget_sizes, stats
from .facts import facts_of_run
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class StatsOf(Subcommand):
    """Figures of the whole platform."""

    name = "stats"
    help = "Figures of the whole platform: tenants by status, sizes, the pool, work that is not finished, the last run."
    examples = ("stats", "stats --json")

    def add_arguments(self, parser: CommandParser) -> None:
        """It takes nothing: it is for all tenants."""

    def handle(self, options: dict[str, Any]) -> None:
        forget_sizes()
        found = stats()
        if self.for_machines:
            self.dump({**asdict(found), "run": found.run and facts_of_run(found.run)})
            return
        self.table(
            (
                "DATABASE",
                "TENANTS",
                "BEHIND",
                "READY",
                "SIZE",
                "LARGEST",
                "CONNECTIONS",
                "EACH PROCESS",
                "SCHEMAS EACH",
            ),
            [(db, *_told(each)) for db, each in found.databases.items()],
        )
        self.say(f"Work that is not finished: {_counted(found.work) or 'none'}.")
        self.say(f"Last run of migrate: {found.run or 'none'}.")


SUBCOMMANDS = (StatsOf,)


def _told(found: DatabaseStats) -> tuple[str, ...]:
    held = found.held
    return (
        _counted(found.tenants) or "none",
        str(found.behind),
        "-" if found.pool is None else str(found.pool),
        _size(held.size) if held else "does not answer",
        f"{held.largest} {_size(held.largest_size)}" if held and held.largest else "-",
        "-" if found.connections is None else f"{found.connections} of {found.max_connections}",
        "any" if found.connections_per_process is None else str(found.connections_per_process),
        "never" if found.schemas_per_connection is None else f"{found.schemas_per_connection} schemas",
    )


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def _size(size: int) -> str:
    return filesizeformat(size).replace("\xa0", " ")

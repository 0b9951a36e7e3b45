"""`tenant databases`: how the databases stand that tenants may be in."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import filesizeformat

from ...databases import DatabaseState, databases
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Databases(Subcommand):
    """List databases as a table or as JSON."""

    name = "databases"
    help = "List the databases that tenants may be in: who answers, who holds what, which can take more, or why not."
    examples = ("databases", "databases --json")

    def add_arguments(self, parser: CommandParser) -> None:
        """It takes nothing: it is for all databases."""

    def handle(self, options: dict[str, Any]) -> None:
        found = databases()
        if self.for_machines:
            self.dump([asdict(each) | {"ready": each.ready} for each in found])
            return
        self.table(
            ("DATABASE", "HOST", "STATE", "WEIGHT", "TENANTS", "OTHERS", "SIZE", "READY"),
            [_told(each) for each in found],
        )


SUBCOMMANDS = (Databases,)


def _told(found: DatabaseState) -> tuple[str, ...]:
    return (
        found.alias,
        found.host,
        "answers" if found.reachable else "away",
        "-" if found.weight is None else f"{found.weight:g}",
        _counted(found),
        "-" if found.others is None else str(found.others),
        "-" if found.size is None else filesizeformat(found.size).replace("\xa0", " "),
        "yes" if found.ready else f"no: {'; '.join(found.missing) or found.reason}",
    )


def _counted(found: DatabaseState) -> str:
    if found.tenants is None:
        return "unknown"
    return ", ".join(f"{number} {status}" for status, number in found.tenants.items()) or "empty"

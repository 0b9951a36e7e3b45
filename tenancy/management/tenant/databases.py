"""`tenant databases`: how the databases stand that tenants may be in."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import filesizeformat

from ...databases import DatabaseState, NodeState, databases
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
        nodes = [(each.alias, *_node_told(node)) for each in found for node in each.nodes]
        if nodes:
            self.say("")
            self.table(("DATABASE", "NODE", "TENANTS", "OTHERS", "SIZE", "TAKES MORE"), nodes)


SUBCOMMANDS = (Databases,)


def _told(found: DatabaseState) -> tuple[str, ...]:
    return (
        found.alias,
        found.host,
        "answers" if found.reachable else "away",
        "-" if found.weight is None else f"{found.weight:g}",
        _counted(found),
        "-" if found.others is None else str(found.others),
        _size(found.size),
        "yes" if found.ready else f"no: {'; '.join(found.missing) or found.reason}",
    )


def _node_told(found: NodeState) -> tuple[str, ...]:
    return (
        found.address,
        "unknown" if found.tenants is None else str(found.tenants),
        "-" if found.others is None else str(found.others),
        _size(found.size),
        "yes" if found.takes_schemas else "no",
    )


def _size(size: int | None) -> str:
    return "-" if size is None else filesizeformat(size).replace("\xa0", " ")


def _counted(found: DatabaseState) -> str:
    if found.tenants is None:
        return "unknown"
    return ", ".join(f"{number} {status}" for status, number in found.tenants.items()) or "empty"

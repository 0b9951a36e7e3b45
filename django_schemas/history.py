"""History: the project's migrations, and which of them a schema has recorded.

A schema records the migrations of the apps that have models in its environment. Those of other apps, whose tables live
elsewhere, count as done where one that is recorded needs them.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

from django.db import connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader

from .exceptions import SchemasError
from .membership import app_labels_of
from .records import ARRIVAL_DUE, Key
from .renames import keep_apart
from .search_path import own_tables
from .target import Target, target_is

__all__ = [
    "History",
    "Point",
    "check_history",
    "load",
    "missing_from",
    "points_of",
    "refuse_conflicts",
    "refuse_gaps",
    "refuse_unknown",
    "replaced",
]

Point = tuple[str, str | None]
"""A point in an app's migrations: the app's label and a migration's name, or None for before the first."""


class History(MigrationLoader):
    """Django's loader, which reads a schema's own records, or is told them; what these needed of other apps is done.

    Args:
        target: the schema.
        records: what it has recorded, if that is known already; nothing is read then.

    Attributes:
        recorded: what is recorded, as it was read.
    """

    def __init__(self, target: Target, records: Collection[Key] | None = None) -> None:
        self.target = target
        self.labels = app_labels_of(target.environment)
        self._given = None if records is None else dict.fromkeys(records)
        super().__init__(connections[target.db] if records is None else None)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        """What is recorded, and what that needed."""
        return self._applied

    @applied_migrations.setter
    def applied_migrations(self, value: dict[Key, Any] | None) -> None:
        # Django's loader says that nothing is, where it has no connection to read by.
        self._applied = {**(value or {})} if self._given is None else {**self._given}
        self.recorded = frozenset(self._applied)

    @property
    def is_due(self) -> bool:
        """Whether a run was cut off before it sent post_migrate."""
        return ARRIVAL_DUE in self.recorded

    def forget_records(self) -> None:
        """Take it that nothing is recorded; squashed migrations stay as they were taken."""
        self._given = {}
        self.applied_migrations = {}

    def build_graph(self) -> None:
        """Read migrations and records again."""
        with own_tables(self.target) if self._given is None else nullcontext():
            super().build_graph()
        for migration in self.disk_migrations.values():
            keep_apart(migration)
        recorded = [key for key in self.applied_migrations if key in self.graph.nodes and key[0] in self.labels]
        for key in recorded:
            for needed in self.graph.forwards_plan(key):
                if needed[0] not in self.labels:
                    self.applied_migrations.setdefault(needed, self.graph.nodes[needed])


def load(target: Target, records: Collection[Key] | None = None) -> History:
    """The project's migrations, and which of them a target has recorded; what these needed of other apps counts too.

    Args:
        target: whose records.
        records: what is recorded, if that is known already.
    """
    with target_is(target):
        return History(target, records)


def check_history(target: Target) -> None:
    """Raise InconsistentMigrationHistory if a target has recorded a migration, and one that it needs is not."""
    refuse_gaps(load(target))


def missing_from(history: History) -> list[Key]:
    """The migrations of the environment that are not recorded."""
    missing = history.graph.nodes.keys() - history.applied_migrations.keys()
    return sorted(key for key in missing if key[0] in history.labels)


def points_of(history: History) -> list[Point]:
    """The migrations of the environment that are recorded, each behind those that it needs.

    A squashed one is recorded last, long after what needs it; Django would take that back to reach it.
    """
    nodes, labels = history.graph.nodes, history.labels
    recorded = dict.fromkeys(key for key in history.applied_migrations if key in nodes and key[0] in labels)
    points: dict[Key, None] = {}
    for key in recorded:
        points.update(dict.fromkeys(needed for needed in history.graph.forwards_plan(key) if needed in recorded))
    return list(points)


def refuse_unknown(history: History, records: Sequence[Key]) -> None:
    """Raise SchemasError if a record is of a migration that the code does not have.

    One that is older than another of its app, which the code has, is what squashing left behind.
    """
    unknown: dict[str, list[str]] = {}
    for app, name in records:
        if app not in history.labels:
            continue
        if (app, name) in history.disk_migrations:
            unknown.pop(app, None)
        elif not any((app, name) in squashed.replaces for squashed in history.replacements.values()):
            unknown.setdefault(app, []).append(name)
    if unknown:
        found = "; ".join(f"{', '.join(names)} of {app}" for app, names in sorted(unknown.items()))
        raise SchemasError(f"Migrations are recorded that this code does not have: {found}. Use code that does.")


def refuse_conflicts(history: History) -> None:
    """Raise SchemasError if two migrations of an app both are its newest."""
    conflicts: Mapping[str, Collection[str]] = history.detect_conflicts()
    conflicts = {label: names for label, names in conflicts.items() if label in history.labels}
    if conflicts:
        found = "; ".join(f"{', '.join(sorted(names))} in {label}" for label, names in sorted(conflicts.items()))
        raise SchemasError(f"Conflicting migrations, each the newest of its app: {found}. Run makemigrations --merge.")


def refuse_gaps(history: History) -> None:
    """Raise InconsistentMigrationHistory if a migration is recorded, and one that it needs is not.

    As Django's `check_consistent_history`, which knows nothing of migrations that another environment records.
    """
    applied = history.applied_migrations
    for key in sorted(key for key in applied if key in history.graph.nodes and key[0] in history.labels):
        for parent in history.graph.node_map[key].parents:
            squashed = history.replacements.get(parent.key)
            if parent.key in applied or (squashed and all(old in applied for old in squashed.replaces)):
                continue
            where = history.target.db if history.target.alias is None else history.target.alias.placement
            raise InconsistentMigrationHistory(
                f"Migration {'.'.join(key)} is applied before its dependency {'.'.join(parent.key)} in {where}."
            )


def replaced(history: History, point: Point) -> Point:
    """The point itself; for a squashed migration that is half applied, which is not in the graph, its last part."""
    squashed = history.replacements.get(cast(Key, point))
    return point if squashed is None or point in history.graph.nodes else cast(Point, squashed.replaces[-1])

"""The ways in which we bring schemas to a point; each is called in a worker of ours.

A way takes the names of the schemas, and the point to be reached, or None for the newest.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django_schemas.alias import SchemaAlias
from django_schemas.fleet import Outcome, migrate_fleet
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of, targets_on

__all__ = ["WAYS"]

Point = list[str] | None


def _guildhall(schemas: Sequence[str], point: Point) -> None:
    """What all schemas share; not one of the ways."""
    for target in targets_on("default"):
        migrate_target(target)


def _one_by_one(schemas: Sequence[str], point: Point, **options: Any) -> None:
    for alias in _aliases(schemas):
        migrate_target(target_of(alias), _points(point), **options)


def _fleet(schemas: Sequence[str], point: Point, **options: Any) -> None:
    _refuse_failures(migrate_fleet(_aliases(schemas), _points(point), **options))


def _refuse_failures(outcomes: Iterable[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.state not in ("migrated", "current")]
    if failed:
        raise RuntimeError("\n".join(f"{outcome.alias.schema}: {outcome.error}" for outcome in failed))


def _aliases(schemas: Sequence[str]) -> list[SchemaAlias]:
    return [SchemaAlias("default", schema, "workshop") for schema in schemas]


def _points(point: Point) -> Any:
    return None if point is None else [tuple(point)]


WAYS: dict[str, Callable[[Sequence[str], Point], None]] = {
    "guildhall": _guildhall,
    "one by one": _one_by_one,
    "long way": partial(_one_by_one, blueprint=False),
    "blueprint": _one_by_one,  # The first schema is made the long way, the others by what was taken down.
    "fleet": _fleet,
    "processes": partial(_fleet, processes=2),
}

"""The ways in which we bring schemas to a point; each is called in a worker of ours.

A way takes the names of the schemas, and the point to be reached, or None for the newest.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from django_schemas.alias import SchemaAlias
from django_schemas.migrator import migrate_target, target_of, targets_on

__all__ = ["WAYS"]

Point = list[str] | None


def _guildhall(schemas: Sequence[str], point: Point) -> None:
    """What all schemas share; not one of the ways."""
    for target in targets_on("default"):
        migrate_target(target)


def _targets(point: Point) -> Any:
    return None if point is None else [tuple(point)]


def _aliases(schemas: Sequence[str]) -> list[SchemaAlias]:
    return [SchemaAlias("default", schema, "workshop") for schema in schemas]


def _one_by_one(schemas: Sequence[str], point: Point) -> None:
    for alias in _aliases(schemas):
        migrate_target(target_of(alias), _targets(point))


WAYS: dict[str, Callable[[Sequence[str], Point], None]] = {"guildhall": _guildhall, "one by one": _one_by_one}

if find_spec("django_schemas.fleet"):
    from django_schemas.fleet import migrate_fleet  # type: ignore[import-not-found]

    def _fleet(schemas: Sequence[str], point: Point) -> None:
        for outcome in migrate_fleet(_aliases(schemas), targets=_targets(point)):
            if outcome.error is not None:
                raise RuntimeError(f"{outcome.alias.schema}: {outcome.error}")

    WAYS["fleet"] = _fleet

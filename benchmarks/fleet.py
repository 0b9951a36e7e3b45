"""How long it takes to migrate all tenants, in milliseconds for each: nothing to do, a column more, rows changed."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from .arena import Arena
from .databases import session
from .figures import LIMIT, PEERS, Figure

__all__ = ["measure"]

TASKS = {"": "nothing to do", "add_field": "AddField", "run_python": "RunPython"}
"""The migration that the shop has one more, and what the task is called."""

MIGRATIONS = {"add_field": "0017_product_weight", "run_python": "0017_warehouse_city"}
"""The names of these migrations."""

_RECORD = "DELETE FROM \"{0}\".django_migrations WHERE app = 'shop' AND name = '{1}'"
_BACK = {
    "add_field": 'ALTER TABLE "{0}".shop_product DROP COLUMN IF EXISTS weight',
    "run_python": "UPDATE \"{0}\".shop_warehouse SET city = ''",
}

MANY = 200
SAMPLE = 40
"""Where there are more than so many schemas, so many of them are a peer's tenants: all would take it a long time."""


def measure(arena: Arena, schemas: int, repeats: int) -> Iterator[Figure]:
    """Have all contenders migrate their fleets in turn, in one process and in two.

    Yields milliseconds for each tenant, the megabytes that the process grew at its peak, and, of a peer that missed
    some, how many tenants it left as they were without an error.

    Args:
        arena: where.
        schemas: how many there are; it has grown to that.
        repeats: rounds. In each, those that are quick run three times.

    Raises:
        AssertionError: we, or the limit, did not migrate all.
    """
    besides = []
    for later, task in TASKS.items():
        for processes in (1, 2):
            found: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
            for name in _turns(arena, repeats):
                found[name].append(_run(arena, name, later, schemas, processes))
            for name, runs in found.items():
                yield Figure("fleet", task, name, [run["ms"] for run in runs], "ms", schemas, processes)
                if processes == 1 and name != LIMIT:
                    grown = [run["peak_mb"] or 0 for run in runs]
                    besides.append(Figure("fleet memory", task, name, grown, "MB", schemas))
                if any(run["missed"] for run in runs):
                    missed = [run["missed"] for run in runs]
                    besides.append(Figure("fleet missed", task, name, missed, "tenants", schemas, processes))
    yield from besides


def _turns(arena: Arena, repeats: int) -> Iterator[str]:
    quick = [name for name in arena.contenders if name not in PEERS]
    peers = [name for name in arena.contenders if name in PEERS]
    for _ in range(repeats):
        for peer in (*peers, None):
            yield from quick
            if peer:
                yield peer


def _run(arena: Arena, name: str, later: str, schemas: int, processes: int) -> dict[str, float]:
    tenants = _tenants(arena, name, schemas)
    process = arena.process(name, later)
    process.order("register", names=tenants)
    found: dict[str, float] = process.order("fleet", processes=processes)
    found["ms"] /= len(tenants)
    found["missed"] = take_back(arena.url(name), later, tenants) if later else 0
    if found["missed"] and name not in PEERS:
        raise AssertionError(f"{name} left {found['missed']} of {len(tenants)} tenants without the migration.")
    return found


def take_back(url: str, later: str, tenants: Sequence[str]) -> int:
    """Take the migration back in all tenants' schemas; return how many had not got it."""
    missed = 0
    with session(url) as own, own.cursor() as cursor:
        for tenant in tenants:
            cursor.execute(_RECORD.format(tenant, MIGRATIONS[later]))
            missed += cursor.rowcount != 1
            cursor.execute(_BACK[later].format(tenant))
    return missed


def _tenants(arena: Arena, name: str, schemas: int) -> list[str]:
    return arena.names(SAMPLE if name in PEERS and schemas > MANY else schemas)

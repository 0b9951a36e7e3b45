"""How long it takes to migrate all tenants, in milliseconds for each: nothing to do, a column more, rows changed."""

from collections import defaultdict
from collections.abc import Iterator

from .arena import Arena
from .databases import execute_each
from .figures import LIMIT, PEERS, Figure

__all__ = ["measure"]

TASKS = {"": "nothing to do", "add_field": "AddField", "run_python": "RunPython"}
"""The migration that the shop has one more, and what the task is called."""

# Takes a migration back; fails where it was not run.
_BACK = """
DO $$ BEGIN
    {} ;
    DELETE FROM "{{0}}".django_migrations WHERE app = 'shop' AND name = '{}';
    IF NOT FOUND THEN RAISE EXCEPTION 'The migration was not run in schema {{0}}.'; END IF;
END $$
"""
BACK = {
    "add_field": _BACK.format('ALTER TABLE "{0}".shop_product DROP COLUMN weight', "0017_product_weight"),
    "run_python": _BACK.format("UPDATE \"{0}\".shop_warehouse SET city = ''", "0017_warehouse_city"),
}

MANY = 200
SAMPLE = 40
"""Where there are more than so many schemas, so many of them are a peer's tenants: all would take it a long time."""


def measure(arena: Arena, schemas: int, repeats: int) -> Iterator[Figure]:
    """Have all contenders migrate their fleets in turn, in one process and in two.

    Yields milliseconds for each tenant, and the megabytes that the process grew at its peak.

    Args:
        arena: where.
        schemas: how many there are; it has grown to that.
        repeats: rounds. In each, those that are quick run three times.
    """
    grown = []
    for later, task in TASKS.items():
        for processes in (1, 2):
            ms: defaultdict[str, list[float]] = defaultdict(list)
            mb: defaultdict[str, list[float]] = defaultdict(list)
            for name in _turns(arena, repeats):
                found = _run(arena, name, later, schemas, processes)
                ms[name].append(found["ms"] / len(_tenants(arena, name, schemas)))
                mb[name].append(found["peak_mb"] or 0)
            for name, values in ms.items():
                yield Figure("fleet", task, name, values, schemas=schemas, processes=processes)
                if processes == 1 and name != LIMIT:
                    grown.append(Figure("fleet memory", task, name, mb[name], "MB", schemas=schemas))
    yield from grown


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
    if later:
        execute_each(arena.url(name), [BACK[later].format(tenant) for tenant in tenants])
    return found


def _tenants(arena: Arena, name: str, schemas: int) -> list[str]:
    return arena.names(SAMPLE if name in PEERS and schemas > MANY else schemas)

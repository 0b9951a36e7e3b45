"""What becomes of PostgreSQL as schemas are added: time to make one, size of the catalog, memory of a backend."""

from collections.abc import Iterator

from .arena import Arena
from .databases import session
from .figures import LIMIT, OURS, Figure

__all__ = ["CATALOG", "CONTENDERS", "measure"]

CONTENDERS = (OURS, LIMIT)
TOUCHED = 200
"""Schemas all of whose tables one backend reads."""

CATALOG = "SELECT sum(pg_total_relation_size(oid)) / 1e6 FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace"
_MEMORY = "SELECT sum(total_bytes) / 1e6 FROM pg_backend_memory_contexts"


def measure(arena: Arena, schemas: int, number: int) -> Iterator[Figure]:
    """Make a number of tenants in turn with the limit, and weigh the catalog and a backend.

    Args:
        arena: where.
        schemas: how many there are; it has grown to that.
        number: tenants that are made.
    """
    times_ms: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(number):
        for name in CONTENDERS:
            way = "blueprint" if name == OURS else arena.ways[name][0]
            times_ms[name] += arena.process(name).order("provision", names=arena.new_names(1), way=way)
    for name, values in times_ms.items():
        yield Figure("growth", "provisioning", name, values, schemas=schemas)
    with session(arena.url(OURS)) as own, own.cursor() as cursor:
        cursor.execute(CATALOG)
        (catalog_mb,) = cursor.fetchone() or (0,)
        yield Figure("growth", "catalog", OURS, [float(catalog_mb)], "MB", schemas=schemas)
        cursor.execute(_MEMORY)
        (before_mb,) = cursor.fetchone() or (0,)
        touched = arena.names(min(schemas, TOUCHED))
        for name in touched:
            cursor.execute(
                "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = %s", [name]
            )
            for (table,) in cursor.fetchall():
                cursor.execute(f"SELECT * FROM {table} LIMIT 1")
        cursor.execute(_MEMORY)
        (after_mb,) = cursor.fetchone() or (0,)
        yield Figure(
            "growth",
            "backend, for each schema touched",
            OURS,
            [float(after_mb - before_mb) * 1e3 / len(touched)],
            "kB",
            schemas=schemas,
        )

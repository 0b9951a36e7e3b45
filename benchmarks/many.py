"""What a fleet of very many schemas takes of the memory of the process that migrates it. Their app is the smallest."""

from collections.abc import Iterator

from .arena import Arena
from .databases import Databases
from .figures import OURS, Figure

__all__ = ["measure"]


def measure(databases: Databases, schemas: int) -> Iterator[Figure]:
    """Make the schemas and migrate them, with nothing to do; yield milliseconds for each, and megabytes at the peak."""
    with Arena(databases, "many", environment={"BENCH_APPS": "benchmarks.tiny"}) as arena:
        arena.grow(schemas, [OURS])
        process = arena.process(OURS)
        process.order("register", names=arena.names(schemas))
        found = process.order("fleet", processes=1)
        yield Figure("many", "nothing to do", OURS, [found["ms"] / schemas], schemas=schemas)
        yield Figure("many", "memory", OURS, [found["peak_mb"] or 0], "MB", schemas=schemas)

"""How long it takes to make one tenant, from the call to the row that is active: by migrating, by a template, ..."""

from collections import defaultdict
from collections.abc import Iterator

from .arena import Arena
from .figures import Figure

__all__ = ["measure"]


def measure(arena: Arena, schemas: int, repeats: int, each: int) -> Iterator[Figure]:
    """Have all contenders make tenants in turn, in all their ways.

    Args:
        arena: where.
        schemas: how many there are; it has grown to that.
        repeats: rounds.
        each: tenants that are made in one go.
    """
    times_ms: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    turns = [(name, way) for name in arena.contenders for way in arena.ways[name]]
    for name, way in turns:
        # The first of a process takes longer: it imports, and what it keeps for later it makes.
        arena.process(name).order("provision", names=arena.new_names(1), way=way)
    for _ in range(repeats):
        for name, way in turns:
            times_ms[name, way] += arena.process(name).order("provision", names=arena.new_names(each), way=way)
    for (name, way), values in times_ms.items():
        yield Figure("provisioning", way, name, values, schemas=schemas)

"""What a request costs in each library, beside plain Django: the shop in a process of its own, many tenants in turn."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from .arena import Arena
from .contenders.process import Process
from .databases import Databases
from .figures import LIMIT, OURS, PEERS, Figure

__all__ = ["measure", "take_turns"]

_Who = TypeVar("_Who", bound=Hashable)

TENANTS = 100
ROUNDS = 40
REQUESTS = 50
"""Of a contender, in each round."""

EASED = {"BENCH_LIMIT_SET_CALLS": "yes"}
"""The others' mode in which a connection's search_path is set less often."""


def measure(arena: Arena, databases: Databases, schemas: int) -> Iterator[Figure]:
    """Have all serve requests in turn; yield the microseconds of each.

    Args:
        arena: where.
        databases: makes one of plain Django's own.
        schemas: how many there are; it has grown to that.
    """
    names = arena.names(schemas)[:TENANTS]
    plain = databases.make("visits_plain")
    peers = [name for name in arena.contenders if name in PEERS]
    processes = {
        ("plain", False): Process(LIMIT, plain),
        (OURS, False): Process(OURS, arena.url(OURS)),
        **{
            (peer, eased): Process(peer, arena.url(peer), EASED if eased else {})
            for peer in peers
            for eased in (False, True)
        },
    }
    try:
        times_us = take_turns(processes, names)
    finally:
        for process in processes.values():
            process.end()
    for task, eased in (("the shop", False), ("the shop, LIMIT_SET_CALLS", True)):
        for (name, is_eased), values in times_us.items():
            if is_eased == eased or (name in ("plain", OURS) and peers):
                yield Figure("requests", task, name, values, "us")


def take_turns(processes: Mapping[_Who, Process], names: Sequence[str]) -> dict[_Who, list[float]]:
    """Have contenders' processes serve requests of these tenants in turn; the microseconds of each request."""
    hosts = {who: process.order("open", names=names) for who, process in processes.items()}
    times_us: defaultdict[_Who, list[float]] = defaultdict(list)
    for turn in range(ROUNDS):
        for who, process in processes.items():
            shift = turn * REQUESTS % len(names)
            asked = (hosts[who][shift:] + hosts[who][:shift])[:REQUESTS]
            times_us[who] += process.order("visit", hosts=asked)
    return times_us

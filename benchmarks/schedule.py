"""What is measured in one run, at which sizes, in which order.

The databases only grow, so measurements come by size; and nothing is dropped before all schemas were made, since that
slows the making of others for a while.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import django

from . import fleet, growth, large, many, provisioning, starting, visits
from .arena import Arena
from .databases import Databases
from .figures import Figure, of_rows

__all__ = ["PARTS", "QUICK", "Schedule", "run"]

PARTS = ("provisioning", "fleet", "starting", "growth", "large", "many", "requests", "orm", "memory", "backends")


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is measured.

    Attributes:
        parts: names of measurements.
        peers: other libraries that take part.
        repeats: rounds.
        each: tenants that are made in a round, in each way.
        provisioning: numbers of schemas in the database while tenants are made.
        fleet: numbers of schemas that are migrated.
        growth: numbers of schemas in the database at which its growth is looked at.
        hundred: tenants that are made at the first and at the last of these.
        tables: of the large environment.
        migrations: of the large environment.
        many: schemas of the smallest app.
    """

    parts: Sequence[str] = PARTS
    peers: Sequence[str] = ()
    repeats: int = 3
    each: int = 4
    provisioning: Sequence[int] = (1, 2_000)
    fleet: Sequence[int] = (50, 200, 1_000)
    growth: Sequence[int] = (1, 1_000, 2_000, 3_500, 5_000)
    hundred: int = 100
    tables: int = 200
    migrations: int = 300
    many: int = 10_000

    def sizes(self, part: str) -> Sequence[int]:
        """At how many schemas a part measures; none if it is not asked for."""
        if part not in self.parts:
            return ()
        sizes: dict[str, Sequence[int]] = {"provisioning": self.provisioning, "growth": self.growth}
        return sizes.get(part, self.fleet)

    def at(self, schemas: Sequence[int]) -> "Schedule":
        """The same at other numbers of schemas."""
        return replace(self, provisioning=schemas, fleet=schemas, growth=schemas)


QUICK = Schedule(
    parts=("provisioning", "fleet", "starting", "growth", "large", "many"),
    repeats=1,
    each=1,
    provisioning=(1,),
    fleet=(20,),
    growth=(1, 100),
    hundred=10,
    tables=20,
    migrations=30,
    many=200,
)
"""Shows in a minute or two that all works; the figures are rough."""


def run(schedule: Schedule) -> Iterator[Figure]:
    """Measure all that is asked for."""
    with Databases() as databases:
        yield from _by_size(schedule, databases)
        if "large" in schedule.parts:
            yield from large.measure(databases, schedule.tables, schedule.migrations, schedule.repeats)
        if "requests" in schedule.parts:
            yield from _visits(schedule, databases)
        if "many" in schedule.parts:
            yield from many.measure(databases, schedule.many)
    if "requests" in schedule.parts:
        yield from _requests()
    if {"orm", "memory", "backends"} & set(schedule.parts):
        yield from _beside_plain_django(schedule)


def _by_size(schedule: Schedule, databases: Databases) -> Iterator[Figure]:
    parts = ("provisioning", "fleet", "starting", "growth")
    at = {part: schedule.sizes(part) for part in parts}
    if not any(at.values()):
        return
    peers = schedule.peers if at["provisioning"] or at["fleet"] else ()
    with Arena(databases, peers=peers) as arena:
        for size in sorted({size for sizes in at.values() for size in sizes}):
            peers_too = size in at["provisioning"] or size in at["fleet"]
            print(f"With {size:,} in the database:", file=sys.stderr, flush=True)
            arena.grow(size, arena.contenders if peers_too else growth.CONTENDERS)
            if size in at["growth"]:
                ends = (min(at["growth"]), max(at["growth"]))
                yield from growth.measure(arena, size, schedule.hundred if size in ends else schedule.hundred // 5)
            if size in at["provisioning"]:
                yield from provisioning.measure(arena, size, schedule.repeats, schedule.each)
            if size in at["starting"]:
                yield from starting.measure(arena, databases, size, max(schedule.repeats, 3))
            if size in at["fleet"]:
                yield from fleet.measure(arena, size, schedule.repeats if size <= fleet.MANY else 1)


def _visits(schedule: Schedule, databases: Databases) -> Iterator[Figure]:
    with Arena(databases, "visits", peers=schedule.peers) as arena:
        arena.grow(visits.TENANTS, arena.contenders)
        yield from visits.measure(arena, databases, visits.TENANTS)


def _requests() -> Iterator[Figure]:
    """Measured in a process with settings of its own, which prints a row of JSON for each task."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.requests"], stdout=subprocess.PIPE, text=True, check=True)
    yield from of_rows("requests", map(json.loads, done.stdout.splitlines()))


def _beside_plain_django(schedule: Schedule) -> Iterator[Figure]:
    django.setup()
    from . import backends, memory, orm

    if "orm" in schedule.parts:
        yield from of_rows("orm", orm.measure())
    if "memory" in schedule.parts:
        for what, mb in memory.measure():
            yield Figure("memory", what, "ours", [mb], "MB", schemas=memory.SCHEMAS)
    if "backends" in schedule.parts:
        for what, mb in backends.measure():
            yield Figure("backends", what, "ours", [mb], "MB", schemas=backends.SCHEMAS)

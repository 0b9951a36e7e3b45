"""Very many tenants over several servers: what making one, migrating all, a request, the registry and the servers cost
at the first, at a tenth, and at all of them.

Every tenant is made as a sign-up makes it, and placed where there are fewest. Each stage works with new processes, so
that what they and their sessions remember is that stage's alone.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from . import servers, visits
from .contenders.process import Process
from .databases import session
from .figures import LIMIT, OURS, Figure
from .fleet import TASKS, take_back
from .scripts import script_of
from .servers import Cluster

__all__ = ["COMMANDS", "PAGES", "RECYCLED", "STRANGERS", "dumps", "measure", "stages"]

SERVER = "server"
"""Whose figures these are that are no contender's: there is a value of each server."""
SAMPLE = 20
"""Tenants that are made, and asked for, one after the other at each stage."""
CHUNK = 500
"""Tenants that one process makes, so that its sessions do not grow for ever."""
STRANGERS = 500
"""Tenants each of which is asked for once."""
RECYCLED = 100
"""Schemas that a connection may see, where that is tried."""
TOUCHED_AGAIN = 50
"""Schemas that a session reads again."""
MARKS = (1, 10, 50, 100, 200, 500, 1_000, 2_000, 5_000)
"""Numbers of schemas at which the memory of a session is looked at."""
REST_S = 65
"""How long servers are left alone: autovacuum looks at each database once a minute."""
FEW = 1_000
"""Up to so many tenants it is a rehearsal, and servers rest for a second."""

COMMANDS = {
    "tenant list": ["list"],
    "tenant list --json": ["list", "--json"],
    "tenant stats": ["stats"],
    "tenant status": ["status"],
}
"""What an operator types, by what it is called here."""
PAGES = {"the admin's list": "", "the admin's search": "?q=t00001"}
_PLACES = "SELECT db, schema_name FROM registry.tenancy_tenant ORDER BY slug"


def stages(tenants: int, clusters: int) -> list[int]:
    """At which numbers of tenants it is measured: at the first there is one on each server.

    Raises:
        ValueError: there are too few tenants to tell anything by.
    """
    if tenants < 4 * clusters:
        raise ValueError(f"{tenants} tenants are too few for {clusters} servers: have four times as many at least.")
    first = max(min(SAMPLE, tenants // 20), clusters, 2)
    return sorted({first, max(tenants // 10, first), tenants})


def measure(tenants: int, clusters: int) -> Iterator[Figure]:
    """Start servers, make tenants, and yield what was found at each stage.

    Args:
        tenants: in all.
        clusters: servers that they are spread over.
    """
    yield _load("before it began", 0)
    with servers.running(clusters) as machines:
        plain = servers.make_database(machines[0], "plain")
        with _process(machines) as process:
            process.order("set_up")
        names = [f"t{number:05}" for number in range(tenants)]
        sample = stages(tenants, clusters)[0]
        made = 0
        for size in stages(tenants, clusters):
            print(f"With {size:,} tenants on {clusters} servers:", file=sys.stderr, flush=True)
            yield from _grow(machines, names[made : size - sample], size)
            with _process(machines) as process:
                yield from _make(process, machines, names[size - sample : size], size)
                yield from _registry(process, names[:sample], size)
                yield from _copies(process, machines[-1], _places(machines)[-1][0], size)
            made = size
            yield from _requests(machines, plain, names[:size], sample, size)
            yield from _fleet(machines, size)
            yield from _servers(machines, size, REST_S if tenants > FEW else 1)
            yield from dumps(machines[-1], size)
            yield _load("", size)
        yield from _sessions(machines)


def _process(machines: Sequence[Cluster], **environment: str) -> AbstractContextManager[Process]:
    """Ours, over all servers."""
    first, *others = [machine.url for machine in machines]
    return _ended("scale", first, {"BENCH_MORE_DATABASES": ",".join(others), **environment})


def _limit(url: str) -> AbstractContextManager[Process]:
    """The limit, or plain Django, in one database."""
    return _ended(LIMIT, url, {})


@contextmanager
def _ended(name: str, url: str, environment: Mapping[str, str]) -> Iterator[Process]:
    process = Process(name, url, environment)
    try:
        yield process
    finally:
        process.end()


def _grow(machines: Sequence[Cluster], names: Sequence[str], size: int) -> Iterator[Figure]:
    """Make tenants in two processes at once."""
    if not names:
        return

    def work(start: int) -> None:
        with _process(machines) as process:
            process.order("provision", names=names[start : start + CHUNK], way="blueprint")

    start_s = perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(0, len(names), CHUNK)))
    ms = (perf_counter() - start_s) * 1e3 / len(names)
    yield Figure("scale making", "on average since the last stage", OURS, [ms], "ms", size, processes=2)


def _make(process: Process, machines: Sequence[Cluster], names: Sequence[str], size: int) -> Iterator[Figure]:
    """Make tenants in turn with the limit, which is as many schemas of the same contents on a server.

    The very first tenant records the blueprint, which all others use.
    """
    first, *others = names
    first_ms = process.order("provision", names=[first], way="blueprint")
    if len(names) == size:
        yield Figure("scale making", "the very first", OURS, first_ms, "ms", size)
    times_ms: dict[str, list[float]] = {LIMIT: [], OURS: []}
    with _limit(machines[0].url) as limit:
        limit.order("learn", **_template(machines))
        limit.order("provision", names=[f"limit_{first}"], way="script")
        for name in others:
            times_ms[LIMIT] += limit.order("provision", names=[f"limit_{name}"], way="script")
            times_ms[OURS] += process.order("provision", names=[name], way="blueprint")
    for who, values in times_ms.items():
        yield Figure("scale making", "one tenant", who, values, "ms", size)


def _template(machines: Sequence[Cluster]) -> dict[str, str]:
    """Some tenant's schema, as the script that makes it."""
    machine, schema = next((each, names[0]) for each, names in zip(machines, _places(machines), strict=True) if names)
    with session(machine.url) as own, own.cursor() as cursor:
        return {"script": script_of(cursor, schema), "template": schema}


def _requests(
    machines: Sequence[Cluster], plain: str, names: Sequence[str], sample: int, size: int
) -> Iterator[Figure]:
    """Have the same few tenants be asked for, whatever the number of others; then each of others once."""
    looking_up = _process(machines, BENCH_CACHE_TTL_S="0")
    with _process(machines) as ours, looking_up as looked_up, _limit(plain) as limit:
        processes = {OURS: ours, "looked up": looked_up, "plain": limit}
        found = visits.take_turns(processes, names[:sample])
        hosts = ours.order("open", names=names[sample : sample + STRANGERS])
        found["first"] = ours.order("visit", hosts=hosts, warm_up=0)
    for task, name in (("remembered", OURS), ("looked up each time", "looked up"), ("for the first time", "first")):
        if found[name]:
            yield Figure("scale requests", task, "plain", found["plain"], "us", size)
            yield Figure("scale requests", task, OURS, found[name], "us", size)


def _registry(process: Process, names: Sequence[str], size: int) -> Iterator[Figure]:
    for way, us in process.order("look_up", names=names).items():
        yield Figure("scale registry", f"a look-up by {way}", OURS, [us], "us", size)
    for task, arguments in COMMANDS.items():
        values = process.order("command", arguments=arguments, times=3)
        yield Figure("scale registry", task, OURS, values, "ms", size)
    for task, page in PAGES.items():
        values = process.order("page", path=f"/admin/tenancy/tenant/{page}", times=5)
        yield Figure("scale registry", task, OURS, values, "ms", size)


def _copies(process: Process, machine: Cluster, name: str, size: int) -> Iterator[Figure]:
    """Copy one tenant, whose slug and schema are the same."""
    with TemporaryDirectory() as folder:
        arguments = ["export", name, "--output", f"{folder}/archive.zip"]
        values = process.order("command", arguments=arguments, times=1)
    yield Figure("scale copies", "tenant export", OURS, values, "ms", size)
    alone = servers.dump(machine, "-n", name)
    yield Figure("scale copies", "pg_dump of one schema", SERVER, [alone.seconds * 1e3], "ms", size)


def _fleet(machines: Sequence[Cluster], size: int) -> Iterator[Figure]:
    places = _places(machines)
    for later in ("", "add_field"):
        with _process(machines, BENCH_LATER=later) as process:
            for processes in (1, 2):
                found: dict[str, Any] = process.order("fleet", processes=processes)
                yield Figure("scale fleet", TASKS[later], OURS, [found["ms"] / 1e3], "s", size, processes)
                if processes == 1:
                    yield Figure("scale fleet", f"{TASKS[later]}, memory", OURS, [found["peak_mb"] or 0], "MB", size)
                if later:
                    _take_back(machines, later, places)


def _take_back(machines: Sequence[Cluster], later: str, places: Sequence[Sequence[str]]) -> None:
    with ThreadPoolExecutor(2) as pool:
        missed = sum(pool.map(lambda machine, names: take_back(machine.url, later, names), machines, places))
    if missed:
        raise AssertionError(f"{missed} tenants were left without the migration.")


def _places(machines: Sequence[Cluster]) -> list[list[str]]:
    """The schemas of each server."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    with session(machines[0].url) as own, own.cursor() as cursor:
        cursor.execute(_PLACES)
        for db, schema in cursor.fetchall():
            found[db].append(schema)
    return [found[_alias(number)] for number in range(1, len(machines) + 1)]


def _alias(number: int) -> str:
    return "default" if number == 1 else f"cluster{number}"


def _servers(machines: Sequence[Cluster], size: int, rest_s: float) -> Iterator[Figure]:
    catalogs = [servers.catalog_of(machine) for machine in machines]
    for what in catalogs[0]:
        task, _, unit = what.partition(", ")
        yield Figure("scale server", task, SERVER, [catalog[what] for catalog in catalogs], unit, size)
    yield Figure("scale server", "connecting", SERVER, list(map(servers.connecting_ms, machines)), "ms", size)
    yield Figure("scale server", "VACUUM (ANALYZE)", SERVER, list(map(servers.vacuum_s, machines)), "s", size)
    at_rest = servers.cpu_s_at_rest(machines, rest_s)
    yield Figure("scale server", "processor in a minute at rest", SERVER, at_rest, "s", size)


def _sessions(machines: Sequence[Cluster]) -> Iterator[Figure]:
    """Have a session read all tables of more and more schemas, and sessions that see a number of them at most."""
    schemas = _places(machines)[-1]
    marks = [mark for mark in MARKS if mark < len(schemas)] + [len(schemas)]
    again = schemas[:TOUCHED_AGAIN]
    database = _alias(len(machines))
    for task, most in (("kept", 0), ("recycled", RECYCLED)):
        with _process(machines, BENCH_MAX_SCHEMAS=str(most)) as process:
            found = process.order("touch", db=database, schemas=schemas, marks=marks)
            twice = process.order("touch", db=database, schemas=again, marks=[len(again)]) if not most else []
        for row in found:
            yield Figure("scale session", task, SERVER, [row["mb"]], "MB", row["schemas"])
        yield Figure("scale session", f"{task}, a schema", OURS, [found[-1]["ms"]], "ms", len(schemas))
        for row in twice:
            yield Figure("scale session", f"{task}, a schema again", OURS, [row["ms"]], "ms", len(schemas))


def dumps(machine: Cluster, size: int) -> Iterator[Figure]:
    """Start a server anew, and dump it; if need be after it was given room for the locks that this takes."""
    yield Figure("scale server", "starting anew", SERVER, [servers.restart_s(machine)], "s", size)
    whole = servers.dump(machine)
    if whole.refusal:
        yield Figure("scale locks", "tables before it is refused", SERVER, [servers.locks_of(machine)], "", size)
    room = servers.room_for_locks(machine)
    while whole.refusal:
        servers.restart_s(machine, max_locks_per_transaction=room)
        yield Figure("scale locks", "max_locks_per_transaction", SERVER, [room], "", size)
        whole = servers.dump(machine)
        # It locks the sequences too.
        room *= 2
    yield Figure("scale copies", "pg_dump of a server", SERVER, [whole.seconds], "s", size)
    yield Figure("scale copies", "pg_dump of a server, memory", SERVER, [whole.mb], "MB", size)


def _load(when: str, size: int) -> Figure:
    return Figure("scale load", f"load average {when}".strip(), "machine", [os.getloadavg()[1]], "", size)

"""Servers of their own for one run, and what very many tables cost each of them: catalog, dumps, vacuum, locks, rest.

Each is a process with a data folder of its own, on 127.0.0.1, of the same version as the development server; they are
stopped and deleted at the end of the run.
"""

import math
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
import psycopg2

from tools import postgres

from .databases import session
from .growth import CATALOG

__all__ = [
    "Cluster",
    "Dump",
    "catalog_of",
    "connecting_ms",
    "cpu_s_at_rest",
    "dump",
    "locks_of",
    "make_database",
    "restart_s",
    "room_for_locks",
    "running",
    "vacuum_s",
]

NAME = "saas"
CONNECTIONS = 50
"""That are opened to time one."""
LOCKED = 100
"""Tables that are locked by one statement."""

_TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^pg_|^information_schema$'
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server, and the programs of its version."""

    server: postgres.Server
    programs: Path

    @property
    def url(self) -> str:
        """Its database of tenants."""
        return self.url_of(NAME)

    def url_of(self, name: str) -> str:
        """One of its databases.

        Raises:
            RuntimeError: it does not run.
        """
        running = self.server.postmaster()
        if running is None or running.port is None:
            raise RuntimeError(f"The server in {self.server.folder} does not run: see its log.")
        return f"postgres://postgres@127.0.0.1:{running.port}/{name}"


@dataclass(frozen=True, slots=True)
class Dump:
    """What `pg_dump` took; nothing of that if the server refused it.

    Attributes:
        seconds: until it ended.
        mb: the most memory of its process.
        refusal: what the server said.
    """

    seconds: float
    mb: float
    refusal: str = ""


@contextmanager
def running(number: int) -> Iterator[list[Cluster]]:
    """Give so many servers, each with an empty database."""
    with ExitStack() as stack:
        clusters = []
        for _ in range(number):
            clusters.append(Cluster(*stack.enter_context(postgres.another_primary(same_major=True))))
            make_database(clusters[-1], NAME)
        yield clusters


def make_database(cluster: Cluster, name: str) -> str:
    """Make another database on a server, and return its URL."""
    with session(cluster.url_of("postgres")) as own, own.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return cluster.url_of(name)


def catalog_of(cluster: Cluster) -> dict[str, float]:
    """How large the catalog and the database are: rows, megabytes, files."""
    with session(cluster.url) as own, own.cursor() as cursor:
        found = {}
        for what, query in (
            ("pg_class rows", "SELECT count(*) FROM pg_class"),
            ("pg_attribute rows", "SELECT count(*) FROM pg_attribute"),
            ("tables", f"SELECT count(*) FROM ({_TABLES}) AS tables"),
            ("catalog, MB", CATALOG),
            ("database, MB", "SELECT pg_database_size(current_database()) / 1e6"),
            ("oid", "SELECT oid::int8 FROM pg_database WHERE datname = current_database()"),
        ):
            cursor.execute(query)
            (value,) = cursor.fetchone() or (0,)
            found[what] = float(value)
    folder = cluster.server.data / "base" / f"{found.pop('oid'):.0f}"
    found["files"] = len(os.listdir(folder))
    return found


def connecting_ms(cluster: Cluster) -> float:
    """How long it takes to connect and to have the first answer: the median of some."""
    times_s = []
    for _ in range(CONNECTIONS):
        start_s = perf_counter()
        with session(cluster.url) as own, own.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'none'")
            times_s.append(perf_counter() - start_s)
    return median(times_s) * 1e3


def vacuum_s(cluster: Cluster) -> float:
    """How long it takes to vacuum and analyze all tables, one after the other."""
    start_s = perf_counter()
    with session(cluster.url) as own, own.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return perf_counter() - start_s


def cpu_s_at_rest(clusters: Sequence[Cluster], window_s: float) -> list[float]:
    """The seconds of processor that each server takes in a minute in which nobody asks it for anything."""
    before = [_cpu_s(cluster) for cluster in clusters]
    time.sleep(window_s)
    after = [_cpu_s(cluster) for cluster in clusters]
    return [(later - earlier) / window_s * 60 for earlier, later in zip(before, after, strict=True)]


def restart_s(cluster: Cluster, **settings: int) -> float:
    """Set settings, stop a server, and start it again: how long that takes."""
    with session(cluster.url) as own, own.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = {value}")
    start_s = perf_counter()
    cluster.server.stop()
    cluster.server.start(cluster.programs)
    return perf_counter() - start_s


def locks_of(cluster: Cluster) -> int:
    """How many tables one transaction can lock before the server has no room for more locks, to the hundred."""
    with session(cluster.url) as own, own.cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute("BEGIN")
        for start in range(0, len(tables), LOCKED):
            try:
                cursor.execute(f"LOCK TABLE {', '.join(tables[start : start + LOCKED])} IN ACCESS SHARE MODE")
            except psycopg2.errors.OutOfMemory:
                return start
    return len(tables)


def room_for_locks(cluster: Cluster) -> int:
    """The `max_locks_per_transaction` with which one transaction can lock all tables: a power of two, 64 or more."""
    with session(cluster.url) as own, own.cursor() as cursor:
        cursor.execute(f"SELECT count(*) / current_setting('max_connections')::float FROM ({_TABLES}) AS tables")
        (for_each,) = cursor.fetchone() or (0,)
    return 1 << max(math.ceil(math.log2(for_each or 1)), 6)


def dump(cluster: Cluster, *options: str) -> Dump:
    """Run `pg_dump` of the database with options, to nowhere.

    Raises:
        RuntimeError: it failed for another reason than that the server had no room for its locks.
    """
    command = [cluster.programs / "pg_dump", "-d", cluster.url, "-f", os.devnull, *options]
    start_s = perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and "out of shared memory" not in said:
        raise RuntimeError(f"pg_dump failed: {said}")
    refusal = said.strip().splitlines()[0] if process.returncode else ""
    return Dump(perf_counter() - start_s, usage.ru_maxrss * 1024 / 1e6, refusal)


def _cpu_s(cluster: Cluster) -> float:
    """Seconds of processor that a server's processes have taken, those that have ended included."""
    running = cluster.server.postmaster()
    assert running
    postmaster = psutil.Process(running.pid)
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in postmaster.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total

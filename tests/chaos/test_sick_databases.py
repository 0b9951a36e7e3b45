"""One server of three stops, hangs or has no space left, while clients ask for tenants of all: those of the others are
served as before, its own get 503 and don't wait, and all is well soon after the server is. Nobody ever gets the rows of
another tenant.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.chaos.crowd import Answer, Crowd, longest_ms, p95_ms, statuses, until
from tests.faults.servers import hanging, small_disk, stop_at_once, without_space
from tests.serving import Server, serving, site_environment
from tools import postgres

pytestmark = pytest.mark.slow

DBS = ("default", "shard2", "shard3")
"""The first has the registry too; the database of the last is on a small disk."""
THREADS = 8


@dataclass
class Cluster:
    """A server, and what can happen to it."""

    server: postgres.Server
    programs: Path
    port: int
    disk: Path | None = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        stop_at_once(self.server)
        try:
            yield
        finally:
            assert self.server.start(self.programs) == self.port

    def hanging(self) -> AbstractContextManager[None]:
        return hanging(self.server, limit_s=600)

    def without_space(self) -> AbstractContextManager[None]:
        if self.disk is None:
            pytest.skip("only root can mount a small disk")
        return without_space(self.disk)


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[str, Cluster]]:
    with ExitStack() as stack:
        made = {}
        for db in DBS:
            server, programs = stack.enter_context(postgres.another_primary())
            made[db] = Cluster(server, programs, server.start(programs))
        small = made["shard3"]
        if os.geteuid() == 0:
            small.disk = stack.enter_context(small_disk("100m", small.server.data))
            space = small.disk / "tablespace"
            space.mkdir(0o700)
            shutil.chown(space, small.server.data.owner())
            execute(small.port, f"CREATE TABLESPACE small LOCATION '{space}'")
        for db in DBS:
            execute(made[db].port, "CREATE DATABASE site" + (" TABLESPACE small" if made[db].disk else ""))
        yield made


def execute(port: int, statement: str) -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture(scope="module")
def databases(clusters: dict[str, Cluster]) -> dict[str, Any]:
    """What the site is told of them."""
    found: dict[str, Any] = {"default-read1": None}
    for db, cluster in clusters.items():
        found[db] = {
            "ENGINE": "django_schemas.backends.postgres.wrapper",
            "NAME": "site",
            "HOST": "127.0.0.1",
            "PORT": cluster.port,
            "USER": "postgres",
            "ENVIRONMENTS": ["registry", "tenant"] if db == "default" else ["tenant"],
            "CONN_MAX_AGE": 600,
            "ATOMIC_REQUESTS": True,
        }
    return found


def settled(databases: dict[str, Any], number: int) -> dict[str, list[str]]:
    """Slugs of tenants that are made, so many in each database."""
    words = [f"{db}:{number}" for db in DBS]
    environment = site_environment(databases, LISTEN=False)
    subprocess.run([sys.executable, "-m", "tests.chaos.settle", *words], env=environment, check=True)
    return {db: [f"{db}-{each}" for each in range(number)] for db in DBS}


@dataclass(frozen=True)
class Trial:
    """What is done while the tenants are asked for.

    Attributes:
        sick: the database that is struck.
        what: how: the name of a method of Cluster.
    """

    sick: str
    what: str

    def __str__(self) -> str:
        return f"{self.sick}-{self.what}"

    @property
    def paths(self) -> tuple[str, ...]:
        """What is asked for there. With a full disk a tenant can be read still."""
        return ("/", "/write/") if self.what == "without_space" else ("/",)

    def may_be(self, answer: Answer) -> bool:
        """Whether that is an answer of the sick one."""
        served = self.what == "without_space" and answer.path == "/"
        return answer.status == (200 if served else 503)


TRIALS = [Trial("shard2", "stopped"), Trial("default", "hanging"), Trial("shard3", "without_space")]
MORE_TRIALS = [Trial("shard2", "hanging"), Trial("default", "stopped")]


@dataclass(frozen=True)
class Times:
    """How long a trial takes, in seconds; and what is asked of it, since other programs run on the same machine.

    Attributes:
        least_ms: a p95 that is no fault, whatever it was before.
        later_ms: how long the sick ones may take once it is known that they are.
    """

    before_s: float
    during_s: float
    least_ms: float
    later_ms: float


SHORT = Times(1.5, 4, least_ms=500, later_ms=1000)
LONG = Times(20, 40, least_ms=50, later_ms=1000)
FIRST_S = 2.0
"""How long the first may take, who ask before it is known that a database is sick."""


def check(
    site: Server, slugs: dict[str, list[str]], cluster: Cluster, trial: Trial, clients: int, times: Times
) -> None:
    """Ask for all tenants before the trouble, while it lasts, and behind it."""
    with ExitStack() as stack:
        crowds = {
            db: stack.enter_context(Crowd(site, slugs[db], clients, trial.paths if db == trial.sick else ("/",)))
            for db in DBS
        }
        sick = crowds.pop(trial.sick)
        until(lambda: all(len(crowd.answers) > 5 * clients for crowd in (sick, *crowds.values())), 30)
        begun = time.monotonic()
        time.sleep(times.before_s)
        with getattr(cluster, trial.what)():
            struck = time.monotonic()
            time.sleep(times.during_s)
            ended = time.monotonic()
        mended = time.monotonic()
        time.sleep(0.2)
        until(sick.is_served, 10)
        healed_s = time.monotonic() - mended
        time.sleep(0.5)
    wrong = [answer for crowd in (sick, *crowds.values()) for answer in crowd.answers if not answer.right]
    before, during = (
        [a for crowd in crowds.values() for a in crowd.between(*span)] for span in ((begun, struck), (struck, ended))
    )
    first, later = sick.between(struck, struck + FIRST_S), sick.between(struck + FIRST_S, ended - 0.5)
    print(
        f"\n{trial}: of others {len(before)} before, p95 {p95_ms(before):.0f} ms; {len(during)} during, "
        f"{statuses(during)}, p95 {p95_ms(during):.0f} ms, longest {longest_ms(during):.0f} ms; of its own "
        f"{statuses(first)} at first, longest {longest_ms(first):.0f} ms, then {statuses(later)}, longest "
        f"{longest_ms(later):.0f} ms; well again after {healed_s:.1f} s"
    )
    assert wrong == []
    assert [answer for answer in (*first, *later) if not trial.may_be(answer)] == []
    assert longest_ms(first) < (FIRST_S + 0.3) * 1000
    assert longest_ms(later) < times.later_ms
    assert sum(answer.status == 200 for answer in during) >= 0.999 * len(during)
    assert p95_ms(during) < max(2 * p95_ms(before), times.least_ms)
    assert healed_s < 5


@pytest.fixture(scope="module")
def few(databases: dict[str, Any]) -> dict[str, list[str]]:
    return settled(databases, 2)


@pytest.fixture(scope="module")
def site(databases: dict[str, Any], few: dict[str, list[str]]) -> Iterator[Server]:
    with serving("gunicorn", databases, threads=THREADS, LISTEN=True) as site:
        yield site


@pytest.mark.parametrize("trial", TRIALS, ids=str)
def test_sick(clusters: dict[str, Cluster], few: dict[str, list[str]], site: Server, trial: Trial) -> None:
    """A few tenants for a few seconds."""
    check(site, few, clusters[trial.sick], trial, 4, SHORT)


@pytest.fixture(scope="module")
def many(databases: dict[str, Any], few: dict[str, list[str]]) -> dict[str, list[str]]:
    return settled(databases, 34)


@pytest.mark.long
@pytest.mark.parametrize("kept_s", [0, 600])
@pytest.mark.parametrize("trial", [*TRIALS, *MORE_TRIALS], ids=str)
def test_sick_at_length(
    clusters: dict[str, Cluster], databases: dict[str, Any], many: dict[str, list[str]], trial: Trial, kept_s: int
) -> None:
    """A hundred tenants for a minute, over connections that are kept, and that are not."""
    different = {db: {**databases[db], "CONN_MAX_AGE": kept_s, "ATOMIC_REQUESTS": bool(kept_s)} for db in DBS}
    with serving("gunicorn", {**databases, **different}, threads=THREADS, LISTEN=True) as site:
        check(site, many, clusters[trial.sick], trial, 5, LONG)


@pytest.mark.long
@pytest.mark.parametrize("trial", [*TRIALS, *MORE_TRIALS], ids=str)
def test_sick_behind_an_event_loop(
    clusters: dict[str, Cluster], databases: dict[str, Any], few: dict[str, list[str]], trial: Trial
) -> None:
    """The same, where each request has a thread of its own, and connections end with it."""
    different = {db: {**databases[db], "CONN_MAX_AGE": 0} for db in DBS}
    with serving("uvicorn", {**databases, **different}, LISTEN=True) as site:
        check(site, few, clusters[trial.sick], trial, 4, SHORT)

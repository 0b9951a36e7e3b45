"""Replicas that die, hang, lag and come back: real standbys are killed, stopped and cut off while they are read."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import psycopg2
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.signals import setting_changed
from django.db import OperationalError, ProgrammingError, connections, transaction
from django.db.models import Func, IntegerField, TextField, Value
from django.db.models.expressions import RawSQL
from django.utils import timezone

from django_schemas import freshness
from django_schemas.migrations import flush, migrate
from django_schemas.replicas import forget_writes
from tests.apps.garage.models import Lot, Owner, Tag
from tests.apps.garage.witness import Place
from tests.faults.servers import hanging
from tests.integration.django_schemas.test_replicas import READS
from tests.ports import free_port
from tools import postgres

pytestmark = [
    pytest.mark.standby,
    pytest.mark.slow,
    pytest.mark.skipif(
        settings.DATABASES["shard2"]["PORT"] not in postgres.status().values(),
        reason="standbys can be made of our own PostgreSQL only",
    ),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

PRIMARY = "shard2"
ONE, TWO, THREE = "shard2-read1", "shard2-read2", "shard2-read3"


class Standby:
    """A standby, and what can happen to it."""

    def __init__(self, server: postgres.Server, programs: Path) -> None:
        self.server = server
        self.programs = programs
        self.port = self.start()

    def start(self) -> int:
        return self.server.start(self.programs)

    def postmaster(self) -> psutil.Process:
        running = self.server.postmaster()
        assert running
        return psutil.Process(running.pid)

    def kill(self) -> None:
        """Kill the postmaster; its processes end by themselves then."""
        processes = [self.postmaster(), *self.postmaster().children()]
        processes[0].kill()
        psutil.wait_procs(processes, timeout=5)

    def hanging(self) -> AbstractContextManager[None]:
        return hanging(self.server)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Let it refuse new connections."""
        rules = self.server.data / "pg_hba.conf"
        former = rules.read_text()
        try:
            self._obey(rules, f"host all all all reject\n{former}")
            until(self._refuses)
            yield
        finally:
            self._obey(rules, former)
            until(lambda: not self._refuses())

    def _obey(self, rules: Path, text: str) -> None:
        rules.write_text(text)
        self.postmaster().send_signal(signal.SIGHUP)

    def _refuses(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg2.OperationalError:
            return True
        return False

    def execute(self, statement: str, dbname: str = "postgres") -> Any:
        """The first value that a statement gives there, over a connection of its own."""
        with closing(psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=dbname)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
                return row and row[0]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it replay nothing of what it gets."""
        self.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.execute("SELECT pg_wal_replay_resume()")

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let it get nothing from the primary: it replays all that it has."""
        conninfo = self.execute("SHOW primary_conninfo")
        self.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.execute("SELECT pg_reload_conf()")
        try:
            until(lambda: self.execute("SELECT count(*) FROM pg_stat_wal_receiver") == 0)
            yield
        finally:
            self.execute("ALTER SYSTEM SET primary_conninfo = '{}'".format(conninfo.replace("'", "''")))
            self.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def standbys(schemas: Any) -> Iterator[dict[str, Standby]]:
    """Two replicas of the second database, which has none otherwise, by alias."""
    with ExitStack() as stack:
        made = {}
        for alias in (ONE, TWO):
            made[alias] = Standby(*stack.enter_context(postgres.another_standby(settings.DATABASES[PRIMARY]["PORT"])))
            made[alias].execute("ALTER SYSTEM SET wal_retrieve_retry_interval = '50ms'")
            made[alias].execute("SELECT pg_reload_conf()")
            stack.enter_context(declared(alias, made[alias].port))
        yield made


@contextmanager
def declared(alias: str, port: int) -> Iterator[None]:
    """Add a replica to DATABASES, where connections find it too."""
    settings.DATABASES[alias] = {**settings.DATABASES[PRIMARY], "PORT": port, "ENVIRONMENTS": []}
    announce()
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias], settings.DATABASES[alias]
        announce()


def announce() -> None:
    """Make what was remembered of DATABASES be forgotten."""
    setting_changed.send(sender=None, setting="DATABASES", value=settings.DATABASES, enter=True)


@pytest.fixture(autouse=True)
def place(committed: None, initech: Place, standbys: dict[str, Standby]) -> Iterator[Place]:
    """A schema that both replicas have and may be read from; all is well again behind each test."""
    try:
        until_read_from(initech, {ONE, TWO})
        yield initech
        forget_writes()
        until_read_from(initech, {ONE, TWO})
    except AssertionError:
        for alias, standby in standbys.items():
            print(alias, standby.server.log.read_text()[-3_000:], sep="\n")
        raise


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float | None], None]]:
    """Sets the lag that both replicas may have."""

    def set_limit(limit_s: float | None) -> None:
        for alias in (ONE, TWO):
            monkeypatch.setitem(settings.DATABASES[alias], "MAX_LAG_S", limit_s)
        freshness.stop_watching()

    yield set_limit
    monkeypatch.undo()
    freshness.stop_watching()


def source(place: Place) -> str:
    """Alias of the server that answers a read of a place; the row is the place's own."""
    port = Func(function="inet_server_port", output_field=IntegerField())
    found, witness = place(Owner).objects.values_list(port, "witness").get(name="Ada")
    assert witness == place.witness
    return alias_of(found)


def alias_of(port: int) -> str:
    known = (alias for alias in (PRIMARY, ONE, TWO, THREE) if alias in settings.DATABASES)
    return next(alias for alias in known if settings.DATABASES[alias]["PORT"] == port)


def sources(place: Place, seconds: float) -> set[str]:
    """Aliases of the servers that answer, for a while; none lets a read wait."""
    found = set()
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        found.add(source(place))
        assert time.monotonic() - began < 0.25
        time.sleep(0.01)
    return found


def until(reached: Callable[[], bool], timeout_s: float = 10) -> float:
    """Wait for something; for how long it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < timeout_s
        time.sleep(0.01)
    return time.monotonic() - began


def until_read_from(place: Place, expected: set[str], timeout_s: float = 10) -> float:
    """Wait until reads go to these servers; for how long it took."""
    return until(lambda: {source(place) for _ in range(4)} == expected, timeout_s)


def write(place: Place) -> None:
    """Commit a change, in a context of its own, which reads from the primary afterwards."""

    def update() -> None:
        try:
            place(Tag).objects.filter(name="red").update(name="red")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(update).result()


def watchers() -> list[str]:
    """The databases that threads of this process ask."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("django_schemas: "))


def test_reads_are_spread(place: Place) -> None:
    """Reads go to both replicas in turn."""
    assert Counter(source(place) for _ in range(20)) == {ONE: 10, TWO: 10}


def test_first_read(place: Place, standbys: dict[str, Standby]) -> None:
    """As long as nothing is known of the replicas, the primary is read; one thread for each server begins to ask."""
    freshness.stop_watching()
    assert watchers() == []
    with standbys[ONE].hanging(), standbys[TWO].hanging():
        assert sources(place, 0.3) == {PRIMARY}
        assert watchers() == [f"django_schemas: {alias}" for alias in (PRIMARY, ONE, TWO)]
    until_read_from(place, {ONE, TWO})


def test_killed_replica(place: Place, standbys: dict[str, Standby]) -> None:
    """Killed while threads and tasks read, over old connections and new ones: no read fails, none waits, and all go to
    the other one; after its restart it is read again.
    """
    answers: list[tuple[float, str]] = []
    errors: list[Exception] = []
    ended = threading.Event()

    def note(found: str) -> None:
        answers.append((time.monotonic(), found))

    def read_on(renew: bool) -> None:
        while not ended.is_set():
            try:
                note(source(place))
            except Exception as error:
                errors.append(error)
            if renew:
                connections.close_all()
            time.sleep(0.002)
        connections.close_all()

    async def read_in_tasks() -> None:
        async def read() -> None:
            port = Func(function="inet_server_port", output_field=IntegerField())
            while not ended.is_set():
                try:
                    note(alias_of(await place(Owner).objects.values_list(port, flat=True).aget(name="Ada")))
                except Exception as error:
                    errors.append(error)
                await asyncio.sleep(0.002)

        await asyncio.gather(read(), read())
        await sync_to_async(connections.close_all)()

    with ThreadPoolExecutor(5) as pool:
        for renew in (False, False, True, True):
            pool.submit(read_on, renew)
        pool.submit(asyncio.run, read_in_tasks())
        try:
            time.sleep(0.3)
            killed = time.monotonic()
            standbys[ONE].kill()
            time.sleep(1.6)
            restarted = time.monotonic()
            standbys[ONE].start()
            until(lambda: answers[-1][1] == ONE)
        finally:
            ended.set()
    assert errors == []
    before, down = set(), set()
    for moment, found in answers:
        if moment < killed:
            before.add(found)
        elif killed + 1 < moment < restarted:
            down.add(found)
    assert (before, down) == ({ONE, TWO}, {TWO})


def test_hung_replica(place: Place, standbys: dict[str, Standby]) -> None:
    """One that neither answers nor refuses is left out within a second, and does not hold up the others."""
    with standbys[ONE].hanging():
        time.sleep(1)
        assert sources(place, 0.8) == {TWO}
    assert until_read_from(place, {ONE, TWO}) < 2


def test_all_replicas_hang(place: Place, standbys: dict[str, Standby]) -> None:
    """Then the primary is read."""
    with standbys[ONE].hanging(), standbys[TWO].hanging():
        time.sleep(1)
        assert sources(place, 0.3) == {PRIMARY}


def test_lagging_replica(place: Place, standbys: dict[str, Standby], limit: Any) -> None:
    """One that has not replayed what is older than the limit is left out, until it has."""
    limit(0.5)
    until_read_from(place, {ONE, TWO})
    with standbys[ONE].paused():
        write(place)
        assert until_read_from(place, {TWO}) < 1.5
        assert sources(place, 0.6) == {TWO}
    assert until_read_from(place, {ONE, TWO}) < 2


def test_replica_that_is_cut_off(place: Place, standbys: dict[str, Standby], limit: Any) -> None:
    """One that has replayed all it got lags as well, if it does not get what is written."""
    limit(0.5)
    until_read_from(place, {ONE, TWO})
    with standbys[ONE].cut_off():
        assert sources(place, 0.8) == {ONE, TWO}
        write(place)
        assert until_read_from(place, {TWO}) < 1.5
    until_read_from(place, {ONE, TWO})


def test_lag_that_was_there_before(place: Place, standbys: dict[str, Standby]) -> None:
    """A process that begins to ask takes no replica for fresh that has not replayed what the primary had then."""
    with standbys[ONE].paused():
        write(place)
        freshness.stop_watching()
        source(place)
        assert until_read_from(place, {TWO}) < 1
        assert sources(place, 0.6) == {TWO}


@pytest.mark.long
def test_five_seconds(place: Place, standbys: dict[str, Standby]) -> None:
    """By default a replica may lag by five seconds, and no longer."""
    with standbys[ONE].paused():
        began = time.monotonic()
        write(place)
        assert sources(place, 4.5) == {ONE, TWO}
        until_read_from(place, {TWO})
        assert 5 <= time.monotonic() - began < 6.5
        assert sources(place, 1) == {TWO}
    until_read_from(place, {ONE, TWO})


@pytest.fixture
def promotable() -> Iterator[Standby]:
    """A third standby, which is not one for long."""
    with postgres.another_standby(settings.DATABASES[PRIMARY]["PORT"]) as made:
        yield Standby(*made)


def promote(standby: Standby) -> None:
    """Have a standby go its own way, and further than its primary."""
    dbname = settings.DATABASES[PRIMARY]["NAME"]
    assert standby.execute("SELECT pg_promote()")
    standby.execute("CREATE TABLE elsewhere AS SELECT g, repeat('x', 500) FROM generate_series(1, 10000) g", dbname)


def test_promoted_replica(place: Place, promotable: Standby, limit: Any) -> None:
    """A replica that became a primary of its own is left out at once, however far it is: what it has are other rows."""
    limit(5.0)
    with declared(THREE, promotable.port):
        until_read_from(place, {ONE, TWO, THREE})
        promote(promotable)
        assert until_read_from(place, {ONE, TWO}) < 2
        write(place)
        assert sources(place, 1) == {ONE, TWO}


def test_failover(place: Place, promotable: Standby, limit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another server takes the primary's place, what is written there is read, and the replicas that follow the
    former one are read no more.
    """
    limit(0.5)
    until_read_from(place, {ONE, TWO})
    promote(promotable)
    former = settings.DATABASES[PRIMARY]["PORT"]
    with monkeypatch.context() as patch:
        patch.setitem(settings.DATABASES[PRIMARY], "PORT", promotable.port)
        connections[PRIMARY].close()
        with psycopg2.connect(host="127.0.0.1", port=former, user="postgres", dbname="postgres") as connection:
            with connection.cursor() as cursor:
                # As the former server does that is gone.
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
                    [settings.DATABASES[PRIMARY]["NAME"]],
                )
        connection.close()
        missed = []
        for number in range(100):
            tag = place(Tag).objects.create(name=str(number), witness="failover")
            missed.extend([] if place(Tag).objects.filter(pk=tag.pk, name=str(number)).exists() else [number])
        forget_writes()
        until_read_from(place, {PRIMARY})
        assert sources(place, 1) == {PRIMARY}
        assert place(Tag).objects.filter(witness="failover").count() == 100
        assert missed == []
        connections[PRIMARY].close()
    freshness.stop_watching()


def test_idle_primary(place: Place, limit: Any) -> None:
    """Where nothing is written nothing lags, however long ago the last change was."""
    limit(0.3)
    until_read_from(place, {ONE, TWO})
    assert sources(place, 1.2) == {ONE, TWO}


def test_no_limit(place: Place, standbys: dict[str, Standby], limit: Any) -> None:
    """With MAX_LAG_S None a replica is read whatever its lag, and nobody asks the primary."""
    limit(None)
    with standbys[ONE].paused():
        write(place)
        until_read_from(place, {ONE, TWO})
        assert sources(place, 0.6) == {ONE, TWO}
    assert watchers() == [f"django_schemas: {alias}" for alias in (ONE, TWO)]


def test_primary_out_of_reach(
    place: Place, standbys: dict[str, Standby], limit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of it counts: a replica that has replayed that is read on, one that has not stays out."""
    limit(0.5)
    until_read_from(place, {ONE, TWO})
    with standbys[ONE].paused():
        write(place)
        until_read_from(place, {TWO})
        with connections[PRIMARY].cursor() as cursor:
            monkeypatch.setitem(settings.DATABASES[PRIMARY], "PORT", free_port())
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid != pg_backend_pid() AND query LIKE '%pg_is_in_recovery%'"
            )
            assert cursor.fetchone() == (1,)
        assert sources(place, 1.1) == {TWO}
    until_read_from(place, {ONE, TWO})


def test_primary_never_reached(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never heard of the primary can compare no replica with it, so it reads none."""
    connections[PRIMARY].ensure_connection()
    with monkeypatch.context() as patch:
        patch.setitem(settings.DATABASES[PRIMARY], "PORT", free_port())
        freshness.stop_watching()
        assert place(Owner).objects.get(name="Ada").witness == place.witness
        time.sleep(0.4)
        assert freshness.fresh(PRIMARY) == []


def test_thousand_reads_of_own_writes(place: Place, standbys: dict[str, Standby], limit: Any) -> None:
    """What a context wrote it reads, also from replicas that may lag and have none of it."""
    limit(None)
    until_read_from(place, {ONE, TWO})
    missed = []
    with standbys[ONE].paused(), standbys[TWO].paused():
        for number in range(1000):
            tag = place(Tag).objects.create(name=str(number), witness="replica")
            missed.extend([] if place(Tag).objects.filter(pk=tag.pk, name=str(number)).exists() else [number])
        forget_writes()
        stale = place(Tag).objects.filter(witness="replica").count()
    place(Tag).objects.filter(witness="replica").delete()
    assert (missed, stale) == ([], 0)


def test_broken_connection(place: Place, standbys: dict[str, Standby]) -> None:
    """A read whose connection broke is answered by the primary, and the replica is left out until it answers anew."""
    terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'"
    for _ in range(20):
        until_read_from(place, {ONE, TWO})
        began = time.monotonic()
        for alias in (ONE, TWO):
            assert standbys[alias].execute(terminate.format(settings.DATABASES[PRIMARY]["NAME"])) >= 2
        found = source(place)
        if time.monotonic() - began < freshness.INTERVAL_S:
            break
    else:
        pytest.fail("A read never was in time: the servers answered anew before it.")
    assert found == PRIMARY
    assert until_read_from(place, {ONE, TWO}) < 1


ANSWERED_BY_THE_PRIMARY = [name for name in READS if name not in ("raw", "single schema", "using the replica")]


def test_every_read_is_answered(place: Place) -> None:
    """Whatever way of reading it is that finds its connections broken, the primary's answer is the same."""
    for name in ANSWERED_BY_THE_PRIMARY:
        expected = repr(READS[name](place))
        until(lambda: freshness.fresh(PRIMARY) == [ONE, TWO])
        for alias in (ONE, TWO):
            connections[alias].ensure_connection()
            connections[alias].connection.close()
        assert repr(READS[name](place)) == expected, name
        assert freshness.fresh(PRIMARY) != [ONE, TWO], name


def test_replica_that_refuses(place: Place, standbys: dict[str, Standby]) -> None:
    """One that goes on with old connections and takes no new ones is left out once a read needed one."""
    with standbys[ONE].refusing():
        connections[ONE].close()
        found = [source(place) for _ in range(6)]
        assert (PRIMARY in found, ONE in found) == (True, False)
        assert sources(place, 1.2) == {TWO}
    assert until_read_from(place, {ONE, TWO}) < 1


def ended_by_server(place: Place, standby: Standby, seconds: float) -> Any:
    """A read on the first replica that the server ends after a while."""

    def end() -> None:
        time.sleep(seconds)
        standby.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%pg_sleep%' AND pid != pg_backend_pid()"
        )

    slept = Func(Value(30), function="pg_sleep", output_field=TextField())
    with ThreadPoolExecutor(1) as pool:
        pool.submit(end)
        return place(Owner).objects.using(ONE).annotate(slept=slept).get(name="Ada")


def test_long_read_that_was_ended(place: Place, standbys: dict[str, Standby]) -> None:
    """The primary is spared a read that ran for long before its connection broke: it may be what somebody ended."""
    with pytest.raises(OperationalError):
        ended_by_server(place, standbys[ONE], 1.1)
    connections[ONE].close()


def test_broken_transaction(place: Place, standbys: dict[str, Standby]) -> None:
    """A read inside of a transaction on the replica fails as ever, for what was read before would not fit."""
    with pytest.raises(OperationalError), transaction.atomic(using=ONE):
        assert place(Owner).objects.using(ONE).count() == 2
        ended_by_server(place, standbys[ONE], 0.1)


def test_other_errors(place: Place) -> None:
    """A statement that fails for another reason does not leave out its replica."""
    with pytest.raises(OperationalError), transaction.atomic(using=ONE):
        with connections[ONE].cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
        list(place(Owner).objects.using(ONE).annotate(slept=Func(Value(1), function="pg_sleep")))
    assert {source(place) for _ in range(4)} == {ONE, TWO}


def test_alias_of_the_primary_itself(place: Place, limit: Any) -> None:
    """A replica's alias that leads to the primary, as a test's mirror may, is never behind."""
    with declared(THREE, settings.DATABASES[PRIMARY]["PORT"]):
        until(lambda: THREE in freshness.fresh(PRIMARY))
        write(place)
        assert until_read_from(place, {ONE, TWO, PRIMARY}) < 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork(place: Place) -> None:
    """A child asks by threads and connections of its own; those of its parent go on."""
    before = watchers()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for connection in connections.all(initialized_only=True):
                connection.connection = None  # The parent's: not to be closed.
            inherited = watchers()
            until_read_from(place, {ONE, TWO})
            status = 0 if (inherited, len(watchers())) == ([], 3) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert watchers() == before
    assert sources(place, 1.2) == {ONE, TWO}


def test_nobody_reads(place: Place, standbys: dict[str, Standby], monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without reads the threads end, and their connections; the next read begins anew."""
    monkeypatch.setattr(freshness, "IDLE_S", 0.3)
    connections.close_all()
    assert until(lambda: watchers() == []) < 1
    count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{settings.DATABASES[PRIMARY]['NAME']}'"
    until(lambda: [standby.execute(count) for standby in standbys.values()] == [0, 0])
    monkeypatch.undo()
    until_read_from(place, {ONE, TWO})


def test_test_databases(place: Place) -> None:
    """A database whose replicas are watched can be cloned and dropped, as a test runner does."""
    connections.close_all()
    creation = connections[PRIMARY].creation
    assert watchers() != []
    creation.clone_test_db(suffix="clone", verbosity=0)
    assert watchers() == []
    creation.destroy_test_db(suffix="clone", verbosity=0)


def test_end_of_a_process(standbys: dict[str, Standby]) -> None:
    """Setting up Django starts no thread; a process ends its threads, but for one that hangs, and then soon itself."""
    script = """
        import atexit, sys, threading, time, django
        atexit.register(lambda: print(threading.active_count()))
        django.setup()
        assert threading.active_count() == 1
        from django.conf import settings
        from django_schemas import freshness
        for alias, port in (("shard2-read1", sys.argv[1]), ("shard2-read2", sys.argv[2])):
            settings.DATABASES[alias] = {**settings.DATABASES["shard2"], "PORT": port}
        while len(freshness.fresh("shard2")) != 2:
            time.sleep(0.01)
        print("ready", flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-X", "dev", "-c", dedent(script), *(str(each.port) for each in standbys.values())]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for hang in (False, True):
        with subprocess.Popen(command, env=environment, **pipes) as process, ExitStack() as stack:
            assert process.stdout.readline() == "ready\n"
            if hang:
                stack.enter_context(standbys[ONE].hanging())
                time.sleep(0.5)
            began = time.monotonic()
            assert process.communicate() == ("2\n" if hang else "1\n", "")
            assert (process.returncode, time.monotonic() - began < 6) == (0, True)  # It hangs for ten seconds.


def test_sessions(place: Place, standbys: dict[str, Standby]) -> None:
    """A session is known to the next request, whatever replicas know: who logs in is not logged out by a redirect."""
    key, later = "k" * 32, timezone.now() + timedelta(hours=1)
    with standbys[ONE].paused(), standbys[TWO].paused():
        place(Session).objects.create(session_key=key, session_data="x", expire_date=later)
        forget_writes()
        with place.active():
            assert [Session.objects.filter(pk=key).exists() for _ in range(4)] == [True] * 4
        assert place(Session).objects.get(pk=key).expire_date == later
        assert source(place) in (ONE, TWO)
    place(Session).objects.all().delete()


def test_what_replicas_have_not_heard_of(place: Place, standbys: dict[str, Standby], limit: Any) -> None:
    """A schema, a table or a column that a replica does not have yet is read at the primary, not missed: a tenant that
    was just made is visited at once. What the primary does not have either is missing as ever.
    """
    limit(5.0)
    until_read_from(place, {ONE, TWO})
    new = Place(PRIMARY, "unheard")
    with standbys[ONE].paused(), standbys[TWO].paused():
        try:
            migrate(PRIMARY, schema="unheard", environment="tenant")
            with connections[PRIMARY].cursor() as cursor:
                cursor.execute("ALTER TABLE initech.garage_lot ADD COLUMN heard int DEFAULT 7")
            forget_writes()
            for _ in range(4):
                assert [tag.name for tag in new(Tag).objects.all()] == ["migrated"]
                assert new(Tag).objects.count() == 1
                assert new(Tag).objects.filter(name="migrated").exists()
                heard = RawSQL("garage_lot.heard", ())
                assert list(place(Lot).objects.annotate(heard=heard).values_list("heard", flat=True)) == []
            assert freshness.fresh(PRIMARY) == [ONE, TWO]
            with pytest.raises(ProgrammingError, match="does not exist"):
                Place(PRIMARY, "nowhere")(Tag).objects.count()
        finally:
            with connections[PRIMARY].cursor() as cursor:
                cursor.execute("ALTER TABLE initech.garage_lot DROP COLUMN IF EXISTS heard")
            flush(PRIMARY, "unheard")

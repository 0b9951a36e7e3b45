"""The fence keeps writers out, lets readers in, waits for those who write already, and never for long at a time."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections

from django_schemas.exceptions import SchemaLocked
from tenancy import lifecycle
from tenancy.exceptions import MoveFailed
from tenancy.lifecycle import fencing
from tenancy.lifecycle.fencing import fenced
from tenancy.models import Tenant

pytestmark = pytest.mark.usefixtures("committed")

INSERT = "INSERT INTO fort.garage_tag (name, witness) VALUES ('late', 'fort')"
COUNT = "SELECT count(*) FROM fort.garage_tag WHERE name = 'late'"


@pytest.fixture
def fort(committed: None) -> Iterator[Tenant]:
    """A tenant that is dropped behind the test, wherever it is then."""
    tenant = Tenant.objects.create(name="Fort", db="default")
    yield tenant
    connections.close_all()
    tenant.refresh_from_db()
    lifecycle.drop_leftovers(tenant)
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


@contextmanager
def session(*statements: str) -> Iterator[Any]:
    """A cursor in a transaction of a session of its own, which has sent these; it is rolled back."""
    connection = connections["default"].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            yield cursor
    finally:
        connection.close()


def count(db: str = "default") -> int:
    with connections[db].cursor() as cursor:
        cursor.execute(COUNT)
        return int(cursor.fetchone()[0])


def test_readers_pass_and_writers_wait(fort: Tenant) -> None:
    """While the fence is up rows are read, and none is written; once it is down they are."""
    with fenced(fort.alias) as fence:
        fence.close()
        with session("SET lock_timeout TO '50ms'", COUNT) as other:
            with pytest.raises(OperationalError, match="lock timeout"):
                other.execute(INSERT)
    with session("SET lock_timeout TO '50ms'") as other:
        other.execute(INSERT)


@pytest.mark.parametrize("prepared", [False, True])
def test_those_who_waited_fail(fort: Tenant, prepared: bool) -> None:
    """Who waits to write as the schema is renamed fails, by a prepared statement too, and writes nowhere."""
    told: list[str] = []
    ready, fenced_off = Event(), Event()

    def write() -> None:
        with session(*[f"PREPARE late AS {INSERT}", "COMMIT"] * prepared) as cursor:
            ready.set()
            fenced_off.wait(5)
            try:
                cursor.execute("EXECUTE late" if prepared else INSERT)
                cursor.connection.commit()
                told.append("written")
            except DatabaseError as error:
                told.append(str(error))

    thread = Thread(target=write)
    thread.start()
    ready.wait(5)
    with fenced(fort.alias) as fence:
        fence.close()
        fenced_off.set()
        sleep(0.2)
        fence.rename("fort_aside")
        thread.join()
    assert len(told) == 1
    assert "does not exist" in told[0]
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM fort_aside.garage_tag WHERE name = 'late'")
        assert cursor.fetchone() == (0,)
        cursor.execute("ALTER SCHEMA fort_aside RENAME TO fort")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_what_is_being_written_is_waited_for(fort: Tenant, isolation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was written before and is committed while the fence waits is moved, whatever isolation is usual."""
    options = {"options": f"-c default_transaction_isolation={isolation.replace(' ', chr(92) + ' ')}"}
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", options)
    connections["default"].close()
    moved: list[Any] = []

    def move() -> None:
        try:
            moved.append(lifecycle.move(Tenant.objects.using("default").get(pk=fort.pk), "shard2"))
        finally:
            connections.close_all()

    with session(INSERT) as other:
        thread = Thread(target=move)
        thread.start()
        for _ in range(500):
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'")
                if cursor.fetchone() != (0,):
                    break
            sleep(0.01)
        assert moved == []
        other.execute("COMMIT")
    thread.join()
    assert (len(moved), count("shard2")) == (1, 1)


def test_who_writes_for_too_long_is_named(fort: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A move gives up behind a transaction that writes and does not end, says whose it is, and has changed nothing."""
    monkeypatch.setattr(fencing, "PATIENCE_S", 0.5)
    with session("SET application_name TO 'nightly'", INSERT) as other:
        other.execute("SELECT pg_backend_pid()")
        (pid,) = other.fetchone()
        with pytest.raises(MoveFailed, match=rf"active at default\.fort as before: .*{pid} \(nightly, for"):
            lifecycle.move(fort, "shard2")
    fort.refresh_from_db()
    assert (fort.status, fort.work, fort.status_reason[:24]) == ("active", None, "move failed: SchemaLocke")


def test_others_do_not_queue_behind_it_for_long(fort: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the fence waits for a long transaction, others go on writing after half a second at most."""
    waits: list[float] = []
    over = Event()

    def write() -> None:
        while not over.is_set():
            started = monotonic()
            with session(INSERT):
                waits.append(monotonic() - started)
            sleep(0.02)

    with session(INSERT):
        thread = Thread(target=write)
        thread.start()
        with fenced(fort.alias) as fence, pytest.raises(SchemaLocked):
            fence.close(patience_s=0.6)
        over.set()
        thread.join()
    assert 0.1 < max(waits) < 1.5


def test_one_at_a_time(fort: Tenant) -> None:
    """A second fence around the same schema is refused, one around a neighbour is not."""
    with fenced(fort.alias):
        with pytest.raises(SchemaLocked, match="by another session"), fenced(fort.alias, patience_s=0.1):
            pass
        with fenced(Tenant(slug="other", db="default", schema_name="acme").alias, patience_s=0.1):
            pass


def hold(alias: Any, ready: Any) -> None:
    """Hold the fence within a long statement, until killed."""
    for connection in connections.all(initialized_only=True):
        connection.connection = None
    with fenced(alias) as fence:
        fence.close()
        ready.set()
        with fence.connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")


def test_falls_with_its_process(fort: Tenant) -> None:
    """The fence of a killed process falls within seconds, though PostgreSQL was in the midst of a long statement."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(fort.alias, ready))
    process.start()
    assert ready.wait(10)
    sleep(0.1)
    process.kill()
    process.join()
    with fenced(fort.alias, patience_s=5) as fence:
        fence.close()


def test_takes_its_time(fort: Tenant) -> None:
    """Timeouts that are meant for requests end no fence."""
    options = {"options": "-c statement_timeout=20ms -c idle_in_transaction_session_timeout=20ms"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections["default"].settings_dict, "OPTIONS", options)
        with fenced(fort.alias) as fence, fence.connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
            sleep(0.1)
            fence.close()

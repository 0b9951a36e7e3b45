"""The budget of connections: no more than there may be, whoever has them; who waits is served, or told so in time."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections, connections, transaction

from django_schemas import budget, health
from django_schemas.budget import Budget, budget_of
from django_schemas.conf import max_connections
from django_schemas.exceptions import SchemasError, TooManyConnections
from django_schemas.health import LOOK_S, PATIENCE_S, SILENCE_S, attempt, is_sick
from tests.gate import Gate, gate_before

pytestmark = pytest.mark.usefixtures("committed")

DB = "shard2"
NAME = "test_budget"


@pytest.fixture(autouse=True)
def _limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two connections, which threads keep, and whose sessions are told from others'."""
    connections[DB].close()
    settings = connections[DB].settings_dict
    options = {**settings["OPTIONS"], "application_name": NAME}
    for key, value in {"MAX_CONNECTIONS": 2, "CONN_MAX_AGE": None, "OPTIONS": options}.items():
        monkeypatch.setitem(settings, key, value)
    monkeypatch.setattr(budget, "PATIENCE_S", 0.3)
    yield
    connections[DB].close()


def pid() -> int:
    with connections[DB].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@contextmanager
def held(number: int, prepare: Callable[[], Any] = pid) -> Iterator[list[Any]]:
    """So many threads that have a connection; what each of them returned."""
    begun, ended = Barrier(number + 1), Event()

    def hold() -> Any:
        try:
            result = prepare()
            begun.wait(10)
            ended.wait(10)
            return result
        finally:
            connections.close_all()

    found: list[Any] = []
    with ThreadPoolExecutor(number) as pool:
        holding = [pool.submit(hold) for _ in range(number)]
        try:
            begun.wait(10)
            yield found
        finally:
            ended.set()
        found += [each.result() for each in holding]


def sessions() -> int:
    """How many there are at the server."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [NAME])
        return int(cursor.fetchone()[0])


def test_one_too_many() -> None:
    """Who finds none free is told so after a while, by an error of ours and Django's that says what to do."""
    with held(2):
        begun = time.monotonic()
        with pytest.raises(OperationalError, match="All 2 connections of this process to database 'shard2'") as caught:
            pid()
        assert 0.3 <= time.monotonic() - begun < 1
        assert isinstance(caught.value, TooManyConnections)
        assert isinstance(caught.value, SchemasError)
        assert sessions() == 2
    assert pid()


def test_a_request_is_told() -> None:
    """Within a request its failure is noted, and the database is not in doubt for it."""
    with held(2), pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "REQUEST_S", PATIENCE_S + 3 * LOOK_S)
        with attempt() as made, pytest.raises(TooManyConnections):
            pid()
        assert made.failed
        assert DB not in health._inquiries


def test_two_who_want_what_the_other_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that each hold the only connection to a database, and want the other's, do not wait for ever."""
    connections["default"].close()
    for db in (DB, "default"):
        monkeypatch.setitem(connections[db].settings_dict, "MAX_CONNECTIONS", 1)
    begun = Barrier(2)

    def want(first: str, second: str) -> bool:
        try:
            with transaction.atomic(first):
                begun.wait(10)
                connections[second].ensure_connection()
        except TooManyConnections:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(want, (DB, "default"), ("default", DB)))
    assert got != [True, True]
    assert pid()


def test_copies_count() -> None:
    """A connection that is copied has a place of its own."""
    first, second = connections[DB].copy(), connections[DB].copy()
    try:
        first.ensure_connection()
        second.ensure_connection()
        with pytest.raises(TooManyConnections):
            pid()
        first.close()
        assert pid()
    finally:
        first.close()
        second.close()


def test_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits is served as soon as another closes its connection."""
    monkeypatch.setattr(budget, "PATIENCE_S", 10)
    with ThreadPoolExecutor(1) as pool:
        with held(2):
            waiting = pool.submit(pid)
            time.sleep(0.2)
            assert not waiting.done()
        assert waiting.result(1)
        pool.submit(connections.close_all).result()


def test_between_two_requests() -> None:
    """A connection that a thread keeps between two requests is closed for one who needs its place; the thread finds
    that out by itself. While nobody needs it, it is the same one.
    """
    connections[DB].ensure_connection()
    kept = pid()
    close_old_connections()
    assert pid() == kept
    close_old_connections()
    with held(2) as found:
        assert sessions() == 2
        with pytest.raises(TooManyConnections):
            pid()
    assert kept not in found
    assert pid() not in (kept, *found)


@pytest.mark.parametrize("ended", [lambda: connections[DB].close(), close_old_connections], ids=["close", "boundary"])
def test_taken_and_ended(ended: Callable[[], None]) -> None:
    """Whose connection was taken meanwhile may close it, or go on to the next request."""
    pid()
    close_old_connections()
    with held(2):
        ended()
        assert connections[DB].connection is None
    assert pid()


def test_not_within_a_transaction() -> None:
    """What is done in a transaction is not taken."""
    with transaction.atomic(DB):
        kept = pid()
        connections[DB].pause()  # type: ignore[attr-defined]
        with held(1), ThreadPoolExecutor(1) as pool:
            with pytest.raises(TooManyConnections):
                pool.submit(pid).result()
        assert pid() == kept


def test_threads_that_ended() -> None:
    """A thread that ended without closing its connection has no place any more."""
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(pid).result()
        # Django's connections are found by the collector alone.
        __import__("gc").collect()


def test_broken_connections() -> None:
    """Connections that the server ended take no place."""
    with held(2) as found, connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", [NAME]
        )
        del found
        with pytest.raises(TooManyConnections):
            pid()


def test_refused_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets none from the server leaves its place to others."""
    refused = []
    for _ in range(3):
        with monkeypatch.context() as patch, pytest.raises(OperationalError) as caught:
            patch.setitem(connections[DB].settings_dict, "PORT", 1)
            refused.append(connections[DB].copy())
            refused[-1].ensure_connection()
        assert not isinstance(caught.value, TooManyConnections)
    assert pid()


def test_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads that keep what they have: all are served, and never are there more connections than may be."""
    monkeypatch.setattr(budget, "PATIENCE_S", 20)
    counts = []

    def requests() -> None:
        for _ in range(20):
            assert pid()
            with transaction.atomic(DB):
                assert pid() == pid()
            close_old_connections()
        connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(requests) for _ in range(6)]
        while not all(each.done() for each in running):
            counts.append(sum(each.connection is not None for each in list(budget_of(DB)._holders)))
            time.sleep(0.005)
        for each in running:
            each.result()
    assert max(counts) <= 2


def test_fork() -> None:
    """A process that was copied while a thread looked for a place looks for its own."""
    looking, ended = Event(), Event()

    def look() -> None:
        with budget_of(DB).changed:
            looking.set()
            ended.wait(10)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(look)
        looking.wait(10)
        child = os.fork()
        if not child:
            # Its parent's connections are left alone.
            os._exit(0 if budget_of(DB).changed.acquire(timeout=2) else 1)
        ended.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_that_left_theirs_open() -> None:
    """A connection that its thread left open is closed for one who needs its place, found by the collector or not."""
    gc.disable()
    try:
        with ThreadPoolExecutor(2) as pool:
            begun = Barrier(2)
            left = set(pool.map(lambda _: (begun.wait(10), pid())[1], range(2)))
        assert sessions() == len(left) == 2
        assert pid() not in left
        assert sessions() <= 2
    finally:
        gc.enable()


def test_threads_that_left_theirs_to_others() -> None:
    """Not if others may use it: it was shared by its thread."""
    shared = connections[DB].copy()
    try:
        with ThreadPoolExecutor(1) as pool:
            shared.inc_thread_sharing()
            pool.submit(shared.ensure_connection).result()
        with held(1), pytest.raises(TooManyConnections):
            pid()
        assert shared.is_usable()
    finally:
        shared.close()


def test_what_is_open_without_atomic() -> None:
    """A transaction that was begun without `atomic()` is not taken either."""
    connections[DB].set_autocommit(False)
    kept = pid()
    connections[DB].pause()  # type: ignore[attr-defined]
    try:
        with held(1), ThreadPoolExecutor(1) as pool:
            with pytest.raises(TooManyConnections):
                pool.submit(pid).result()
        assert pid() == kept
    finally:
        connections[DB].close()


def test_interrupted() -> None:
    """Who is interrupted as it has just got a place, as by ^C or a task's time limit, leaves it to others."""

    class Interrupted(Budget):
        def take(self, connection: Any, most: int) -> None:
            super().take(connection, most)
            raise KeyboardInterrupt

    cut_off = [connections[DB].copy() for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        interrupted = Interrupted(DB)
        interrupted.__dict__ = budget_of(DB).__dict__
        patch.setitem(budget._budgets, DB, interrupted)
        for each in cut_off:
            with pytest.raises(KeyboardInterrupt):
                each.ensure_connection()
    assert pid()


def test_a_copy_counts_its_own() -> None:
    """A process that was copied has all places, and leaves alone what the other one has, which goes on with it."""
    kept = pid()
    close_old_connections()
    with held(1):
        child = os.fork()
        if not child:
            try:
                with held(2):
                    pass
                # As in any Django project it has that one too, and should have closed it before.
                os._exit(0 if pid() == kept else 1)
            except BaseException:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert pid() == kept


@contextmanager
def behind_a_gate() -> Iterator[Gate]:
    """Have connections go through a gate during a block."""
    settings = connections[DB].settings_dict
    with gate_before(int(settings["PORT"])) as gate, pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings, "HOST", "127.0.0.1")
        patch.setitem(settings, "PORT", gate.port)
        yield gate


@pytest.mark.slow
def test_a_sick_database() -> None:
    """Once a database is known not to answer, nobody waits in a request for those who have its connections."""
    with behind_a_gate() as gate:
        with held(2):
            gate.refuses = True
            health._doubt(DB)
            deadline = time.monotonic() + 3
            while not is_sick(DB):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert ask() < LOOK_S
        gate.refuses = False
        health.stop_watching()


@pytest.mark.slow
def test_a_database_that_hangs() -> None:
    """While those who have the connections are not answered nobody waits for one in a request."""
    with behind_a_gate() as gate:
        begun, hanging = Barrier(3), Event()

        def hold() -> None:
            pid()
            begun.wait(10)
            hanging.wait(10)
            ask()
            connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            holding = [pool.submit(hold) for _ in range(2)]
            gate.hangs = begun.wait(10) >= 0
            hanging.set()
            first_s, second_s = ask(), ask()
            assert first_s < PATIENCE_S + SILENCE_S + 4 * LOOK_S
            assert second_s < LOOK_S
            assert not is_sick(DB)
            for each in holding:
                each.result()
        gate.hangs = False
        connections[DB].close()
        health.stop_watching()


def ask() -> float:
    """Ask in a request, in vain; how many seconds that took."""
    begun = time.monotonic()
    with attempt(), pytest.raises(OperationalError):
        pid()
    return time.monotonic() - begun


def test_replicas_follow_their_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica may have as many as its primary, if it does not say otherwise; a pool has limits of its own."""
    monkeypatch.setitem(connections.settings, "shard2-read1", {})
    monkeypatch.setitem(connections.settings, "shard2-read2", {"MAX_CONNECTIONS": 5})
    assert [max_connections(db, DB) for db in (DB, "shard2-read1", "shard2-read2")] == [2, 2, 5]
    with monkeypatch.context() as patch:
        patch.setitem(connections[DB].settings_dict, "OPTIONS", {"pool": True})
        assert max_connections(DB, DB) is None

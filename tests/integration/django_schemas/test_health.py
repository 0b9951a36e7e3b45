"""Databases that don't answer: who waits for them in an attempt is cut off, and nobody else; slow ones are not sick."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from threading import Barrier
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction

from django_schemas import health
from django_schemas.health import ANSWER_S, CONNECT_S, LOOK_S, PATIENCE_S, attempt, is_sick
from tests.faults import run
from tests.gate import Gate, gate_before

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.slow]

DB = "shard2"
FOUND_S = PATIENCE_S + ANSWER_S + 4 * LOOK_S
"""How long it takes at most to find that a database hangs, on a machine that is busy."""


def until(holds: Callable[[], bool], limit_s: float = 3) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate before the database, which is well again behind the test."""
    connections[DB].close()
    settings = connections[DB].settings_dict
    with gate_before(int(settings["PORT"])) as gate, pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings, "HOST", "127.0.0.1")
        patch.setitem(settings, "PORT", gate.port)
        yield gate
        gate.hangs = gate.refuses = False
        connections[DB].close()
        health.stop_watching()


def ask(statement: str = "SELECT 1") -> Any:
    with connections[DB].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@contextmanager
def taking(least_s: float, most_s: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert least_s <= time.monotonic() - begun < most_s


def test_hangs_with_an_open_connection(gate: Gate) -> None:
    """A statement that is not answered, by a server that answers nobody, ends with an error of Django's; from then on a
    connection is refused without waiting, until the server answers again.
    """
    ask()
    gate.hangs = True
    with attempt() as made:
        with taking(ANSWER_S, FOUND_S), pytest.raises(OperationalError):
            ask()
        assert (made.failed, is_sick(DB), is_sick("default")) == (True, True, False)
        connections[DB].close()
        with taking(0, 0.2), pytest.raises(OperationalError, match="'shard2' does not answer"):
            ask()
        gate.hangs = False
        until(lambda: not is_sick(DB))
        assert ask() == 1


def test_what_is_no_answer(gate: Gate) -> None:
    """What needs no server, as a cursor that is made, is no sign of life of a database that hangs."""
    ask()
    gate.hangs = True
    health._doubt(DB)
    deadline = time.monotonic() + FOUND_S
    with attempt():
        while time.monotonic() < deadline:
            connections[DB].cursor().close()
            time.sleep(0.005)
    assert is_sick(DB)
    deadline = time.monotonic() + 2 * CONNECT_S
    with attempt():
        while time.monotonic() < deadline:
            connections[DB].cursor().close()
            assert is_sick(DB)
            time.sleep(0.005)


def test_hangs_in_a_transaction(gate: Gate) -> None:
    """A commit is cut off too."""
    begun = 0.0
    with attempt(), pytest.raises(OperationalError), transaction.atomic(DB):
        ask()
        gate.hangs = True
        begun = time.monotonic()
    assert ANSWER_S < time.monotonic() - begun < FOUND_S


def test_connecting_is_bounded(gate: Gate) -> None:
    """A server that takes connections, and says nothing, is waited for as long as libpq's shortest time, unless OPTIONS
    say otherwise; outside an attempt as long as ever.
    """
    wrapper = connections[DB]
    assert "connect_timeout" not in wrapper.get_connection_params()
    with attempt():
        assert wrapper.get_connection_params()["connect_timeout"] == CONNECT_S
        wrapper.settings_dict["OPTIONS"]["connect_timeout"] = 7
        assert wrapper.get_connection_params()["connect_timeout"] == 7
        del wrapper.settings_dict["OPTIONS"]["connect_timeout"]
        gate.hangs = True
        with taking(0.5, CONNECT_S + 1), pytest.raises(OperationalError):
            ask()
        assert is_sick(DB)


def test_refuses(gate: Gate) -> None:
    """A server that refuses connections is sick as soon as it is asked, and well as soon as it takes them."""
    gate.refuses = True
    with attempt() as made:
        with taking(0, 1), pytest.raises(OperationalError):
            ask()
        assert made.failed
        until(lambda: is_sick(DB))
        gate.refuses = False
        until(lambda: not is_sick(DB))
        assert ask() == 1


def test_slow_statements_are_not_cut_off(gate: Gate) -> None:
    """A statement may take its time while the server answers others."""
    with attempt() as made, taking(2.5, 5):
        ask("SELECT pg_sleep(2.5)")
        assert DB in health._inquiries
    assert (made.failed, is_sick(DB)) == (False, False)


def test_others_are_not_cut_off(gate: Gate) -> None:
    """What is no attempt waits on, though the database is known to be sick, and has its answer in the end."""

    def ask_and_close(watched: bool) -> Any:
        try:
            ask()
            ready.wait()
            with attempt() if watched else nullcontext():
                return ask()
        finally:
            connections.close_all()

    ready = Barrier(3, action=lambda: setattr(gate, "hangs", True))
    with ThreadPoolExecutor(2) as pool:
        watched, other = (pool.submit(ask_and_close, each) for each in (True, False))
        ready.wait()
        assert isinstance(watched.exception(), OperationalError)
        assert (is_sick(DB), other.done()) == (True, False)
        gate.hangs = False
        assert other.result() == 1


def test_slow_to_connect_to(gate: Gate) -> None:
    """A server that others hear from is not taken for one that hangs, though it is slow to let the question in."""

    def ask_and_close() -> Any:
        try:
            ask()
            ready.wait()
            ready.wait()
            return ask("SELECT pg_sleep(2.5)")
        finally:
            connections.close_all()

    ask()
    ready = Barrier(2)
    with ThreadPoolExecutor(1) as pool, attempt() as made:
        slow = pool.submit(copy_context().run, ask_and_close)
        ready.wait()
        with delayed_connections():
            ready.wait()
            while not slow.done():
                ask()
                assert not is_sick(DB)
        slow.result()
        assert not made.failed


@contextmanager
def delayed_connections() -> Iterator[None]:
    """Have the server wait before it lets anybody in."""
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET pre_auth_delay = 2")
        cursor.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            cursor.execute("ALTER SYSTEM RESET pre_auth_delay")
            cursor.execute("SELECT pg_reload_conf()")


def test_lost_connection(gate: Gate) -> None:
    """A connection that somebody ended is no sickness, but what was asked over it failed."""
    with attempt() as made:
        with pytest.raises(OperationalError):
            ask("SELECT pg_terminate_backend(pg_backend_pid())")
        assert made.failed
        connections[DB].close()
        assert ask() == 1
    time.sleep(0.3)
    assert not is_sick(DB)


@pytest.mark.parametrize(
    ("sqlstate", "failed"), [("57014", True), ("53100", True), ("53200", True), ("40P01", False), ("23505", False)]
)
def test_errors_over_a_connection(sqlstate: str, failed: bool) -> None:
    """That a server has no resources or no time left is a failure of its own; whatever else it says is an answer."""
    with attempt() as made, pytest.raises(DatabaseError):
        ask(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$")
    assert (made.failed, DB in health._inquiries) == (failed, False)


def test_full_of_connections(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has no connection left is not sick: those that have one go on."""
    ask("DROP ROLE IF EXISTS crowded")
    ask("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    connections[DB].close()
    try:
        with monkeypatch.context() as patch:
            patch.setitem(connections[DB].settings_dict, "USER", "crowded")
            with attempt() as made, pytest.raises(OperationalError, match="too many connections"):
                ask()
            time.sleep(0.3)
            assert (made.failed, is_sick(DB)) == (True, False)
    finally:
        ask("DROP ROLE crowded")


def test_what_was_open_is_not_used_again(gate: Gate) -> None:
    """The first request behind a sickness does not find a connection that may have been lost in it."""
    ask()
    connections[DB].close_at = None  # CONN_MAX_AGE
    former = connections[DB].connection
    connections[DB].close_if_unusable_or_obsolete()
    assert connections[DB].connection is former
    gate.refuses = True
    with attempt(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(OperationalError):
            pool.submit(copy_context().run, ask).result()
        until(lambda: is_sick(DB))
        gate.refuses = False
        until(lambda: not is_sick(DB))
        connections[DB].close_if_unusable_or_obsolete()
        assert ask() == 1


def test_after_a_fork(gate: Gate) -> None:
    """A process that is forked while a database is sick finds out for itself."""
    gate.refuses = True
    with attempt(), pytest.raises(OperationalError):
        ask()
    until(lambda: is_sick(DB))
    gate.refuses = False
    assert run(_asked_anew).result == (False, 1, True)


def _asked_anew() -> tuple[bool, Any, bool]:
    was_sick = is_sick(DB)
    with attempt():
        return was_sick, ask(), health._Watch.running.is_alive()  # type: ignore[union-attr]


def test_threads_end(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks any more when there was no attempt for a while, and asks when nobody doubts."""
    for name in ("CALM_S", "IDLE_S", "INTERVAL_S"):
        monkeypatch.setattr(health, name, 0.2)
    with attempt(), pytest.raises(OperationalError):
        ask("SELECT pg_terminate_backend(pg_backend_pid())")
    assert [thread.name for thread in enumerate_threads() if "health" in thread.name]
    until(lambda: not [thread.name for thread in enumerate_threads() if "health" in thread.name])
    connections[DB].close()
    with attempt(), pytest.raises(OperationalError):
        ask("SELECT pg_terminate_backend(pg_backend_pid())")
    assert len([thread.name for thread in enumerate_threads() if "health" in thread.name]) == 2

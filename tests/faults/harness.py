"""The process that is broken, and the one that watches it.

The watched process is forked from that of the tests, so it starts in milliseconds with all that is imported and set up.
It leaves the connections of its parent alone: to close one would end the parent's session.
"""

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

__all__ = ["HOWS", "Fault", "Outcome", "faults_at", "leave_inherited_connections", "points_of", "run"]

HOWS = ("error", "backend", "unanswered", "kill")
"""What happens at a point.

error: the statement, or the commit, fails with a SQLSTATE, and the connection lives on.
backend: PostgreSQL's process behind the connection is terminated before the statement.
unanswered: a commit, and only that, is done, and the connection is lost before the answer comes.
kill: the process is killed with SIGKILL before the statement. Killed before the one behind a commit, it has committed.
"""

COMMIT = "COMMIT"
"""How a commit is listed among the statements."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks where.

    Attributes:
        how: one of `HOWS`.
        at: which point, from 1; or a text, for the first that holds it.
        behind: how many points behind that one.
        sqlstate: of an error; disk full by default.
    """

    how: str
    at: int | str
    behind: int = 0
    sqlstate: str = "53100"

    def number(self, points: Iterable[str]) -> int | None:
        """Which point that is, from 1, as far as can be told of those that were passed."""
        if isinstance(self.at, int):
            return self.at + self.behind
        return next((number + self.behind for number, point in enumerate(points, 1) if self.at in point), None)


@dataclass(slots=True)
class Outcome:
    """What became of the process.

    Attributes:
        points: what it sent, each `alias: SQL`, until it died; of a killed one nothing is known.
        result: what the function returned.
        error: what it raised, as `Type: message`; empty if nothing.
        killed: whether it was killed.
    """

    points: list[str] = field(default_factory=list)
    result: Any = None
    error: str = ""
    killed: bool = False


def points_of(function: Callable[[], Any]) -> list[str]:
    """Run a function unharmed, in a process of its own, and list the points that it passes."""
    outcome = run(function)
    assert (outcome.error, outcome.killed) == ("", False), outcome
    return outcome.points


def faults_at(points: Iterable[str], hows: Iterable[str] = HOWS) -> Iterator[Fault]:
    """All that can happen at these points, and a kill behind the last."""
    last = 0
    for last, point in enumerate(points, 1):
        for how in hows:
            if how != "unanswered" or point.endswith(COMMIT):
                yield Fault(how, last)
    if "kill" in hows:
        yield Fault("kill", last + 1)


def run(function: Callable[[], Any], fault: Fault | None = None, timeout_s: float = 60) -> Outcome:
    """Run a function in a process of its own, with a fault or without; return when its backends are gone.

    Its result must pickle. The caller must be in no transaction that the function could wait for.
    """
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(function, fault, theirs))
    process.start()
    theirs.close()
    try:
        outcome: Outcome = pickle.loads(ours.recv_bytes()) if ours.poll(timeout_s) else Outcome(error="timeout")
    except EOFError:
        outcome = Outcome(killed=True)
    if outcome.error == "timeout":
        process.kill()
    process.join()
    _wait_for_backends(_name(process.pid))
    assert outcome.error != "timeout", f"{function} with {fault} took over {timeout_s} s"
    return outcome


def leave_inherited_connections() -> None:
    """Have a forked process open connections of its own. The parent's stay referred to: nothing may close them."""
    for each in connections.all(initialized_only=True):
        _inherited.append(each.connection)
        each.connection = None


_inherited: list[Any] = []


def _name(pid: int | None) -> str:
    return f"faults-{pid}"


def _child(function: Callable[[], Any], fault: Fault | None, answer: Any) -> None:
    leave_inherited_connections()
    os.environ["PGAPPNAME"] = _name(os.getpid())
    outcome = Outcome()
    breaker = _Breaker(fault, outcome)
    connection_created.connect(breaker.watch, weak=False)
    try:
        outcome.result = function()
    except Exception as error:
        outcome.error = f"{type(error).__name__}: {error}".strip()
    if fault is not None and (fault.how, fault.number(outcome.points)) == ("kill", len(outcome.points) + 1):
        os.kill(os.getpid(), signal.SIGKILL)
    answer.send_bytes(pickle.dumps(outcome))
    answer.close()
    # No handler of the parent's process, as pytest's, is run.
    os._exit(0)


class _Breaker:
    """Counts the points of a process, and breaks it at one."""

    def __init__(self, fault: Fault | None, outcome: Outcome) -> None:
        self.fault, self.outcome = fault, outcome
        self.quiet = False

    def watch(self, connection: Any, **kwargs: Any) -> None:
        """Take notice of a connection that was just opened."""
        if self.quiet:
            return
        wrapper = partial(self.statement, connection)
        connection.execute_wrappers[:] = [wrapper]
        connection._commit = partial(self.commit, connection, type(connection)._commit)

    def statement(self, connection: Any, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Send a statement, unless it is the one."""
        if self.due(connection, str(sql)):
            assert self.fault is not None
            if self.fault.how == "error":
                return execute(_failing(self.fault), None, False, context)
            self.strike(connection)
        return execute(sql, params, many, context)

    def commit(self, connection: Any, commit: Any) -> Any:
        """Commit, unless it is the one."""
        # Django commits where nothing is open too.
        if connection.connection is None:
            return None
        if not self.due(connection, COMMIT):
            return commit(connection)
        assert self.fault is not None
        if self.fault.how == "error":
            self.quiet = True
            with connection.wrap_database_errors:
                connection.connection.cursor().execute(_failing(self.fault))
        if self.fault.how == "unanswered":
            commit(connection)
        self.strike(connection)
        if self.fault.how == "unanswered":
            with connection.wrap_database_errors:
                connection.connection.cursor().execute("SELECT 1")
        return commit(connection)

    def due(self, connection: BaseDatabaseWrapper, sql: str) -> bool:
        """Count a point, and tell whether it is the one."""
        points = self.outcome.points
        points.append(f"{connection.alias}: {' '.join(sql.split())}")
        return self.fault is not None and self.fault.number(points) == len(points)

    def strike(self, connection: Any) -> None:
        """Kill the process, or the backend of a connection."""
        assert self.fault is not None
        if self.fault.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self.quiet = True
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
        finally:
            other.close()
            self.quiet = False


def _failing(fault: Fault) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = '{fault.sqlstate}'; END $$"


def _wait_for_backends(name: str) -> None:
    """Wait until PostgreSQL has noticed that a process is gone: it holds its locks until then."""
    for alias in connections:
        with connections[alias].cursor() as cursor:
            for _ in range(1000):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
                if cursor.fetchone() == (0,):
                    break
                time.sleep(0.002)
            else:
                raise AssertionError(f"backends of {name} are still there")
            break  # One server holds all databases of the tests.

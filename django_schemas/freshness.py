"""Freshness: which replicas may be read now.

A replica is fresh for a second after its server began to answer, if it had then replayed what the primary had written
`MAX_LAG_S` before. One that was not asked yet, is dead, hangs or lags is not fresh.

Daemon threads ask, one for each server, so that a server that hangs holds up no other. In each process they begin with
the first read that a replica could serve, and end when there was none for a while. A read looks at what they found; it
never asks, nor waits.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from . import conf
from .apart import connect, in_background
from .environments import replicas_of

__all__ = ["FRESH_S", "History", "fresh", "leave_out", "stop_watching"]

FRESH_S = 1.0
INTERVAL_S = 0.25
IDLE_S = 60.0
"""For how long an answer counts, how long a thread waits between two questions, and for how long it goes on unread."""

# A standby is as far as it has replayed. What is no standby (the primary itself, as a test's mirror) is as far as it
# has flushed, which is all that a standby could have got of it. That has a timeline: of its own, once it was promoted.
_POSITION = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn,
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) END
"""
_ALIVE = "SELECT NULL, NULL"
_UNKNOWN = "nothing is known of its primary"

_logger = logging.getLogger("django_schemas.replicas")


class History:
    """How far a primary's WAL has come. One thread adds to it, any may ask.

    A position is kept with the last moment at which the primary had not reached it, as far as is known: so a lag may
    be taken for longer than it is, by the time between two questions, but not for shorter.

    Args:
        keep_s: how far back it can be asked.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._heard = -inf
        self._reached: tuple[tuple[float, Any], ...] = ()

    def add(self, moment: float, position: Any) -> None:
        """Note that the primary is at a position."""
        reached = self._reached
        if reached and position < reached[-1][1]:
            # Another server than before, as after a failover: nothing is known of it.
            reached, self._heard = (), -inf
        if not reached or position > reached[-1][1]:
            while len(reached) > 1 and reached[1][0] <= moment - self._keep_s:
                reached = reached[1:]
            self._reached = (*reached, (self._heard, position))
        self._heard = moment

    def position_at(self, moment: float) -> Any:
        """The newest position that the primary may have had at a moment; None if nothing is known."""
        return next((position for since, position in reversed(self._reached) if since <= moment), None)


class _Server(Thread):
    """Asks one server a question again and again, over a connection of its own.

    Args:
        watch: what it asks for.
        alias: alias of the database.
        question: a statement that gives a position and a timeline.
        judge: is given the moment of the question and both, and says what is wrong with them.

    Attributes:
        until: up to this moment what it answered counts.
        broken: the last moment at which a read found its connection broken.
    """

    def __init__(
        self, watch: "_Watch", alias: str, question: str, judge: Callable[[float, Any, str | None], str | None]
    ) -> None:
        super().__init__(name=f"django_schemas: {alias}", daemon=True)
        self.alias = alias
        self.until = 0.0
        self.broken = 0.0
        self._watch = watch
        self._question = question
        self._judge = judge
        self._fault: str | None = _UNKNOWN
        self._connection: Any = None
        self._connected = 0.0

    def run(self) -> None:
        """Ask until the watch ends."""
        while self._watch.goes_on():
            self._ask()
            self._watch.ended.wait(INTERVAL_S)
        self._hang_up()

    def _ask(self) -> None:
        moment = monotonic()
        try:
            fault = self._judge(moment, *self._answer(moment))
        except Exception as error:  # Whatever it is, this server can't be asked now: it may be later.
            self._hang_up()
            fault = " ".join(str(error).split())
        if fault is None and monotonic() - moment > FRESH_S:
            fault = f"it took longer than {FRESH_S} s to answer"
        self.until = moment + FRESH_S if fault is None and moment > self.broken else 0.0
        if fault != self._fault:
            self._fault = fault
            if fault is None:
                _logger.info("Database %r answers.", self.alias)
            else:
                _logger.warning("Database %r can't be relied on by reads from replicas: %s.", self.alias, fault)

    def _answer(self, moment: float) -> tuple[Any, str | None]:
        if self._connected <= self.broken:
            # Reads may need a new connection too.
            self._hang_up()
        if self._connection is None:
            self._connection = connect(self.alias)
            self._connected = moment
        with self._connection.cursor() as cursor:
            cursor.execute(self._question)
            position, timeline = cursor.fetchone()
            return position, timeline

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None


class _Watch:
    """The threads that ask a primary and its replicas, and what they found.

    Attributes:
        asked: when a read last asked.
        ended: set when the threads are to end.
    """

    def __init__(self, db: str) -> None:
        self.asked = monotonic()
        self.ended = Event()
        limits = {alias: conf.max_lag_s(alias) for alias in replicas_of(db)}
        self.replicas = [
            _Server(self, alias, _ALIVE if limit_s is None else _POSITION, partial(self._compare, limit_s))
            for alias, limit_s in limits.items()
        ]
        known = [limit_s for limit_s in limits.values() if limit_s is not None]
        self._history = History(max(known, default=0))
        self._timeline: str | None = None
        self.servers = [*([_Server(self, db, _POSITION, self._note)] if known else []), *self.replicas]

    def begin(self) -> None:
        """Start the threads."""
        try:
            for server in self.servers:
                server.start()
        except RuntimeError:  # There is no thread to be had, as at the interpreter's end.
            self.ended.set()

    def goes_on(self) -> bool:
        """Tell whether the threads are to go on."""
        if monotonic() - self.asked > IDLE_S:
            self.ended.set()
        return not self.ended.is_set()

    def _note(self, moment: float, position: Any, timeline: str | None) -> None:
        self._timeline = timeline
        self._history.add(moment, position)

    def _compare(self, limit_s: float | None, moment: float, position: Any, timeline: str | None) -> str | None:
        if limit_s is None:
            return None
        if timeline not in (None, self._timeline):
            return "it is a primary of its own"
        needed = self._history.position_at(moment - limit_s)
        if needed is None:
            return _UNKNOWN
        return None if position is not None and position >= needed else f"it lags by more than {limit_s} s"


_watches: dict[str, _Watch] = {}
_beginning = Lock()


def fresh(db: str) -> list[str]:
    """Aliases of the replicas of a primary that may be read now. The first call only makes them be asked."""
    watch = _watches.get(db)
    if watch is None or watch.ended.is_set():
        watch = _begin(db)
    watch.asked = now = monotonic()
    return [server.alias for server in watch.replicas if server.until > now]


def leave_out(db: str, alias: str) -> None:
    """Leave out a replica whose connection broke, until its server answers on a new one."""
    watch = _watches.get(db)
    for server in watch.replicas if watch is not None else ():
        if server.alias == alias:
            server.broken = monotonic()
            server.until = 0.0


def stop_watching() -> None:
    """End the threads and their connections; one that waits for its server is left to itself. Reads begin them anew."""
    watches = list(_watches.values())
    _watches.clear()
    for watch in watches:
        watch.ended.set()
    deadline = monotonic() + FRESH_S
    for server in [server for watch in watches for server in watch.servers if server.is_alive()]:
        server.join(max(0.0, deadline - monotonic()))


def _begin(db: str) -> _Watch:
    with _beginning:
        watch = _watches.get(db)
        if watch is None or watch.ended.is_set():
            watch = _watches[db] = _Watch(db)
            watch.begin()
        return watch


def _forked() -> None:
    global _beginning
    _watches.clear()
    _beginning = Lock()


in_background(stop_watching, _forked)

"""Health: which databases answer at all, so that a request does not wait for one that does not.

What runs within `attempt()`, as a request does, is watched. If it loses a connection, gets none, or waits for a while,
the database is in doubt, and a daemon thread asks it, over a connection of its own. While that is answered the database
is well, however long statements take. If it is refused, or nothing at all is heard from the database for `ANSWER_S`,
the database is sick: who waits for it is cut off, and gets an error; who wants a new connection gets one at once. It is
asked again and again until it answers.

Nothing else is cut off: a migration waits for a server that hangs for as long as libpq lets it.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any

from django.db.utils import DatabaseErrorWrapper

from .apart import connect, in_background
from .exceptions import TooManyConnections
from .sqlstates import OUT_OF_RESOURCES, QUERY_CANCELED, told_by

__all__ = [
    "ANSWER_S",
    "CONNECT_S",
    "Attempt",
    "Watching",
    "attempt",
    "heard",
    "is_sick",
    "is_silent",
    "sick_at",
    "silence_of",
    "stop_watching",
    "watched",
]

LOOK_S = 0.1
PATIENCE_S = 0.4
ANSWER_S = 1.0
"""How often it is looked who waits; after how long that raises a doubt; and how long a database may be silent then."""
SILENCE_S = 0.2
"""For how long it may be silent then before nobody waits in a queue for it."""
INTERVAL_S = 0.5
CALM_S = 5.0
IDLE_S = 60.0
"""How long to wait between two questions, how long after the last doubt they end, and the thread that looks does."""
CONNECT_S = 2
"""How long connecting may take within `attempt()`, if OPTIONS don't say: the least that libpq can be told."""

# What a server says that is well, and has no connection left. The drivers don't tell the SQLSTATE of a refusal.
_CROWDED = ("too many", "connection slots")

_logger = logging.getLogger("django_schemas.health")


@dataclass(slots=True)
class Attempt:
    """What is done within `attempt()`.

    Attributes:
        failed: whether a database could not be asked, or had no resources or no time left for what it was asked for.
    """

    failed: bool = False


_current: ContextVar[Attempt | None] = ContextVar("django_schemas_attempt", default=None)
_waiting: dict[int, tuple[Any, float]] = {}
"""Connections that wait for their server, and since when, by their id."""
_heard: dict[str, float] = {}
"""When a statement was last answered, by databases in doubt."""
_sick_at: dict[str, float] = {}
_inquiries: dict[str, "_Inquiry"] = {}
_beginning = Lock()


@contextmanager
def attempt() -> Iterator[Attempt]:
    """Watch what is asked of databases in the block, wherever its context goes: threads of `sync_to_async`, tasks."""
    made = Attempt()
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def watched() -> bool:
    """Tell whether this is within `attempt()`."""
    return _current.get() is not None


def is_sick(db: str) -> bool:
    """Tell whether a database is known not to answer."""
    inquiry = _inquiries.get(db)
    return inquiry is not None and inquiry.sick


def is_silent(db: str) -> bool:
    """Tell whether a database that is in doubt owes an answer for longer than one that is well takes."""
    inquiry = _inquiries.get(db)
    return inquiry is not None and inquiry.silent_for_s() > SILENCE_S


def silence_of(db: str) -> str:
    """What to tell who wants to ask a database that is sick."""
    return f"Database {db!r} does not answer: it is not asked now."


def sick_at(db: str) -> float:
    """The last moment at which a database was known to be sick, by the monotonic clock."""
    return _sick_at.get(db, -inf)


def heard(db: str) -> None:
    """Note that a database has just answered a statement."""
    if db in _inquiries:
        _heard[db] = monotonic()


class Watching(DatabaseErrorWrapper):
    """Around each call of the driver's: notes who waits for a server, and what failed. Django puts it there."""

    wrapper: Any

    def __enter__(self) -> None:
        """Begin to wait."""
        if _current.get() is not None:
            now = monotonic()
            _waiting[id(self)] = (self.wrapper, now)
            _Watch.go_on(now)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Wait for something else than a server in this block."""
        waited = _waiting.pop(id(self), None) is not None
        try:
            yield
        finally:
            if waited:
                _waiting[id(self)] = (self.wrapper, monotonic())

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Note how it ended."""
        waited = _waiting.pop(id(self), None) is not None
        if exc_type is not None:
            if waited:
                self._note(exc_value)
            super().__exit__(exc_type, exc_value, traceback)

    def _note(self, error: BaseException | None) -> None:
        made, wrapper = _current.get(), self.wrapper
        if made is not None and isinstance(error, TooManyConnections):
            made.failed = True
        if made is None or not isinstance(error, wrapper.Database.Error):
            return
        sqlstate = told_by(error) or ""
        if wrapper.connection is None or wrapper.connection.closed:
            made.failed = True
            _doubt(wrapper.alias)
        elif sqlstate == QUERY_CANCELED or sqlstate.startswith(OUT_OF_RESOURCES):
            made.failed = True


class _Inquiry(Thread):
    """Asks a database in doubt, over a connection of its own, until it answers and nobody doubts it any more.

    Attributes:
        sick: what is known of it.
        doubted: the moment of the last doubt.
        asked: when it was asked the question that it has not answered yet; None between two questions.
        ended: set to have it end at once.
    """

    def __init__(self, db: str) -> None:
        super().__init__(name=f"django_schemas health: {db}", daemon=True)
        self.db = db
        self.sick = False
        self.doubted = monotonic()
        self.asked: float | None = None
        self.ended = Event()
        self._connection: Any = None

    def run(self) -> None:
        """Ask until it is settled."""
        while not self._settled():
            self.asked = asked = monotonic()
            fault = self._fault()
            self.asked = None
            # Who has a connection may be answered though nobody gets a new one: that is no sickness.
            self.judge(None if _heard.get(self.db, -inf) > asked else fault)
            self.ended.wait(INTERVAL_S)
        self._hang_up()

    def judge(self, fault: str | None) -> None:
        """Take the database for sick, or for well if there is no fault."""
        if fault is not None:
            _sick_at[self.db] = monotonic()
        if self.ended.is_set() or self.sick == (fault is not None):
            return
        self.sick = fault is not None
        if fault is None:
            _logger.info("Database %r answers again.", self.db)
        else:
            _logger.warning("Database %r does not answer, so requests don't ask it: %s.", self.db, fault)

    def silent_for_s(self) -> float:
        """For how long it owes the answer to a question."""
        asked = self.asked
        return 0.0 if asked is None else monotonic() - max(asked, _heard.get(self.db, asked))

    def cut_off_the_waiting(self) -> None:
        """End what waits for the database, if nothing was heard from it for too long."""
        if self.silent_for_s() < ANSWER_S:
            return
        self.judge(f"nothing was heard from it for {ANSWER_S} s")
        for wrapper, _ in list(_waiting.values()):
            if wrapper.alias == self.db:
                _shut(wrapper.connection)

    def _settled(self) -> bool:
        with _beginning:
            if not self.ended.is_set() and (self.sick or monotonic() - self.doubted < CALM_S):
                return False
            if _inquiries.get(self.db) is self:
                del _inquiries[self.db]
            return True

    def _fault(self) -> str | None:
        try:
            if self._connection is None:
                self._connection = connect(self.db)
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Exception as error:  # Whatever it is, the database can't be asked now: it may be later.
            self._hang_up()
            fault = " ".join(str(error).split()).rstrip(".")
            return None if any(words in fault for words in _CROWDED) else fault
        return None

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None


def _shut(connection: Any) -> None:
    """Shut down a connection's socket, so that whoever waits for it is told that the server is gone.

    Another thread may close it at any moment, and the number of its socket be another's then. If the connection is open
    behind the `dup()`, as it was before, what was duplicated is its own.
    """
    with suppress(Exception):  # It is closed, or is being made.
        number = connection.fileno()
        with socket.socket(fileno=os.dup(number)) as duplicate:
            if connection.fileno() == number:
                duplicate.shutdown(socket.SHUT_RDWR)


class _Watch(Thread):
    """Looks who waits, while anybody does.

    Attributes:
        needed: when somebody last began to wait.
    """

    running: "_Watch | None" = None

    def __init__(self) -> None:
        super().__init__(name="django_schemas health", daemon=True)
        self.needed = monotonic()
        self.ended = Event()

    @classmethod
    def go_on(cls, now: float) -> None:
        """See to it that somebody looks."""
        watch = cls.running
        if watch is None or watch.ended.is_set():
            with _beginning:
                watch = cls.running
                if watch is None or watch.ended.is_set():
                    watch = cls.running = _Watch()
                    with suppress(RuntimeError):  # There is no thread to be had, as at the interpreter's end.
                        watch.start()
        watch.needed = now

    def run(self) -> None:
        """Look again and again."""
        while not self.ended.wait(LOOK_S):
            now = monotonic()
            for wrapper, since in list(_waiting.values()):
                if now - since > PATIENCE_S:
                    _doubt(wrapper.alias)
            for inquiry in list(_inquiries.values()):
                inquiry.cut_off_the_waiting()
            if now - self.needed > IDLE_S and not _waiting:
                self.ended.set()


def _doubt(db: str) -> None:
    with _beginning:
        inquiry = _inquiries.get(db)
        if inquiry is not None:
            inquiry.doubted = monotonic()
            return
        inquiry = _inquiries[db] = _Inquiry(db)
        try:
            inquiry.start()
        except RuntimeError:
            del _inquiries[db]


def stop_watching() -> None:
    """End the threads and their connections; one that waits for its server is left to itself."""
    threads: list[_Watch | _Inquiry] = [*_inquiries.values()]
    if _Watch.running is not None:
        threads.append(_Watch.running)
    _inquiries.clear()
    for thread in threads:
        thread.ended.set()
    deadline = monotonic() + ANSWER_S
    for thread in threads:
        if thread.is_alive():
            thread.join(max(0.0, deadline - monotonic()))


def _forked() -> None:
    global _beginning
    _beginning = Lock()
    _Watch.running = None
    _inquiries.clear()
    _waiting.clear()


in_background(stop_watching, _forked)

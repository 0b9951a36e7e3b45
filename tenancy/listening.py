"""Tells other processes of changes to the registry, and listens to what they tell: PostgreSQL's NOTIFY and LISTEN.

What is told is sent within the transaction that changes, so it arrives with the commit or not at all. In each process
one daemon thread listens, over a connection of its own, from the first look-up on until there was none for a while. It
is a help to be quick, and no more: behind a transaction pooler, where nobody can listen, and while the connection is
lost, changes are seen as what is remembered expires.
"""

import logging
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from django.db import connections

from django_schemas.apart import connect, in_background

from .conf import conf

__all__ = ["begin", "heard", "stop", "tell", "tell_all"]

CHANNEL = "tenancy_registry"
IDLE_S = 60.0
"""How long the thread goes on after the last look-up that the database was asked for; longer while what that told is
remembered.
"""
_STEP_S = 0.25
_MAX_WAIT_S = 30.0

_logger = logging.getLogger("tenancy.registry")


def tell(using: str, *words: str) -> None:
    """Tell all processes that listen, as the transaction of this database commits."""
    tell_all(using, [" ".join(words)])


def tell_all(using: str, messages: Sequence[str]) -> None:
    """Tell them several things, by one statement."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, message) FROM unnest(%s::text[]) message", [CHANNEL, list(messages)])


class _Listener(Thread):
    """Listens until nobody looks anything up any more.

    Args:
        db: alias of the database.
        told: called with the words that somebody told.
        missed: called when something may have been told while nobody listened.
    """

    def __init__(self, db: str, told: Callable[[list[str]], None], missed: Callable[[], None]) -> None:
        super().__init__(name=f"tenancy: {db}", daemon=True)
        self.asked = monotonic()
        self.ended = Event()
        self.deaf = False
        self._db, self._told, self._missed = db, told, missed

    def run(self) -> None:
        """Listen, and connect again when the connection is lost, after a while that grows."""
        wait_s = _STEP_S
        while self._goes_on():
            try:
                connection = connect(self._db)
                try:
                    heard = self._listen(connection)
                finally:
                    with suppress(Exception):
                        connection.close()
            except Exception as error:  # Whatever it is, the database can't be listened to now: it may be later.
                _logger.warning("Changes of the registry are not heard of at once: %s.", " ".join(str(error).split()))
                heard = False
            wait_s = _STEP_S if heard else min(2 * wait_s, _MAX_WAIT_S)
            self.ended.wait(wait_s)

    def _goes_on(self) -> bool:
        if monotonic() - self.asked > max(IDLE_S, conf.cache_ttl_s):
            self.ended.set()
        return not (self.ended.is_set() or self.deaf)

    def _listen(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
            if pid != connection.info.backend_pid:
                _logger.info("Changes of the registry are not listened to: database %r is behind a pooler.", self._db)
                self.deaf = True
                return False
            cursor.execute(f"LISTEN {CHANNEL}")
        self._missed()
        while self._goes_on():
            for notice in heard(connection):
                self._told(notice.payload.split(" "))
        return True


def heard(connection: Any) -> list[Any]:
    """The driver's notices, each with `channel` and `payload`, that a connection gets within a quarter of a second."""
    if not hasattr(connection, "poll"):
        return list(connection.notifies(timeout=_STEP_S, stop_after=1))
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(_STEP_S * 1000):
        connection.poll()
    notices = list(connection.notifies)
    connection.notifies.clear()
    return notices


_listener: _Listener | None = None
_beginning = Lock()


def begin(db: str, told: Callable[[list[str]], None], missed: Callable[[], None]) -> None:
    """See to it that this process listens."""
    global _listener
    listener = _listener
    if listener is None or listener.ended.is_set():
        with _beginning:
            listener = _listener
            if listener is None or listener.ended.is_set():
                listener = _listener = _Listener(db, told, missed)
                with suppress(RuntimeError):  # There is no thread to be had, as at the interpreter's end.
                    listener.start()
    listener.asked = monotonic()


def stop() -> None:
    """End the thread and its connection. The next look-up that asks begins it anew."""
    global _listener
    listener, _listener = _listener, None
    if listener is not None:
        listener.ended.set()
        if listener.is_alive():
            listener.join(4 * _STEP_S)


def _forked() -> None:
    global _listener, _beginning
    _listener = None
    _beginning = Lock()


in_background(stop, _forked)

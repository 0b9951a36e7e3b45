"""Notices from process to process that a help desk's tickets changed: PostgreSQL's NOTIFY and LISTEN.

A channel of NOTIFY is the whole database's, whatever schema one works in. So each desk has a channel of its own, named
by its tenant's id, and a notice says nothing but that it came. It comes with the commit of what changed, or not at all.

In each process one thread listens at each database, over one connection, while anybody waits.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from threading import Lock, Thread
from time import sleep
from typing import Any

from django.db import connections

from django_schemas.apart import connect
from tenancy.context import current_owner
from tenancy.listening import heard

logger = logging.getLogger("example_project.notices")


def channel() -> str:
    """Return the channel of whoever is current; a project without tenants has one."""
    return f"desk_{current_owner()}"


def tell(using: str) -> None:
    """Tell that something changed in the current desk, as the transaction on this database commits."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [channel()])


@asynccontextmanager
async def awaiting(db: str) -> AsyncIterator[asyncio.Event]:
    """Yield what is set when something may have changed in the current desk, whose rows are in this database."""
    waiter = Waiter()
    name = channel()
    ear = Ear.at(db)
    ear.add(name, waiter)
    try:
        yield waiter.changed
    finally:
        ear.remove(name, waiter)


class Waiter:
    """Somebody in an event loop who waits."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Tell them, from another thread."""
        self._loop.call_soon_threadsafe(self.changed.set)


class Ear:
    """Listens at one database while anybody waits."""

    _ears: dict[str, "Ear"] = {}

    def __init__(self, db: str) -> None:
        self._db = db
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._lock = Lock()
        self._runs = False

    @classmethod
    def at(cls, db: str) -> "Ear":
        """Return the one of a database."""
        return cls._ears.setdefault(db, cls(db))

    def add(self, channel: str, waiter: Waiter) -> None:
        """Have somebody woken by what comes on a channel."""
        with self._lock:
            self._waiters[channel].add(waiter)
            if not self._runs:
                self._runs = True
                Thread(target=self._run, name=f"notices: {self._db}", daemon=True).start()

    def remove(self, channel: str, waiter: Waiter) -> None:
        """Let them be."""
        with self._lock:
            self._waiters[channel].discard(waiter)
            if not self._waiters[channel]:
                del self._waiters[channel]

    def _wanted(self) -> set[str]:
        """The channels that anybody waits for. If there are none, this has ended."""
        with self._lock:
            self._runs = bool(self._waiters)
            return set(self._waiters)

    def _wake(self, channels: Iterable[str]) -> None:
        with self._lock:
            waiters = [waiter for channel in channels for waiter in self._waiters.get(channel, ())]
        for waiter in waiters:
            waiter.wake()

    def _run(self) -> None:
        while True:
            try:
                with closing(connect(self._db)) as connection:
                    return self._listen(connection)
            except Exception as error:
                logger.warning("Changes are not heard of now: %s", error)
                sleep(1)

    def _listen(self, connection: Any) -> None:
        listened: set[str] = set()
        while wanted := self._wanted():
            with connection.cursor() as cursor:
                for verb, names in (("LISTEN", wanted - listened), ("UNLISTEN", listened - wanted)):
                    for name in names:
                        cursor.execute(f'{verb} "{name}"')
            # What changed before this listened is not told.
            self._wake(wanted - listened)
            listened = wanted
            self._wake({notice.channel for notice in heard(connection)})

"""Databases that are made for one run and dropped at its end: one for each contender, on the development server.

They are dropped only then: PostgreSQL makes tables two to three times slower for some tens of seconds after it has
dropped many.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg2

from tools import postgres

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Session

__all__ = ["Databases", "execute_each", "session"]


class Databases:
    """The databases of one run; a context manager, which drops them at its end."""

    def __init__(self) -> None:
        self._cluster = postgres.ensure()
        self._made: list[str] = []

    def __enter__(self) -> "Databases":
        return self

    def __exit__(self, *args: object) -> None:
        with session(self._cluster.databases["default"]) as server, server.cursor() as cursor:
            for name in self._made:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def make(self, purpose: str) -> str:
        """Make a database, and return its URL."""
        name = f"bench_{os.getpid()}_{purpose}"
        with session(self._cluster.databases["default"]) as server, server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        self._made.append(name)
        return self._cluster.url(name)


@contextmanager
def session(url: str) -> Iterator["Session"]:
    """Open a session that commits each statement."""
    with closing(psycopg2.connect(url)) as opened:
        opened.autocommit = True
        yield opened


def execute_each(url: str, scripts: Sequence[str], sessions: int = 2) -> None:
    """Send scripts, each in a transaction of its own, over several sessions at once."""
    todo, lock = iter(scripts), threading.Lock()

    def work(_: int) -> None:
        with session(url) as own, own.cursor() as cursor:
            while True:
                with lock:
                    script = next(todo, None)
                if script is None:
                    return
                cursor.execute(script)

    with ThreadPoolExecutor(sessions) as pool:
        list(pool.map(work, range(sessions)))

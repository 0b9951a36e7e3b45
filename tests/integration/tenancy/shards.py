"""More databases for the tests: empty ones that host tenants, on the server of the tests or on one of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections

from tests.faults.servers import hanging
from tools.postgres import Server, another_primary

__all__ = ["Apart", "apart", "declared", "shards"]


@contextmanager
def shards(*aliases: str) -> Iterator[None]:
    """Have these databases on the server of the tests, empty, during a block."""
    names = {alias: f"{connections['default'].settings_dict['NAME']}_{alias}" for alias in aliases}
    _drop(names.values())
    for name in names.values():
        _execute(f'CREATE DATABASE "{name}"')
    try:
        with declared({alias: {"NAME": name} for alias, name in names.items()}):
            yield
    finally:
        _drop(names.values())


@contextmanager
def declared(databases: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Add databases that host tenants to DATABASES, which are like `shard2` but for these settings."""
    for alias, different in databases.items():
        settings.DATABASES[alias] = {**connections["shard2"].settings_dict, "ENVIRONMENTS": ["tenant"], **different}
    _announce()
    try:
        yield
    finally:
        for alias in databases:
            connections[alias].close()
            del connections[alias], settings.DATABASES[alias]
        _announce()


class Apart:
    """A database on a server of its own.

    Attributes:
        alias: what it is called.
    """

    def __init__(self, alias: str, server: Server, programs: Path) -> None:
        self.alias, self._server, self._programs = alias, server, programs

    def start(self) -> int:
        """Start the server; its port."""
        return self._server.start(self._programs)

    def die(self) -> None:
        """Have it stop at once."""
        self._server.stop()

    def hang(self) -> Any:
        """Have it neither answer nor refuse during a block."""
        return hanging(self._server, limit_s=60)


@contextmanager
def apart(alias: str) -> Iterator[Apart]:
    """Have a database on a server of its own during a block, which stays at its port."""
    with another_primary() as (server, programs):
        found = Apart(alias, server, programs)
        with declared({alias: {"NAME": "postgres", "HOST": "127.0.0.1", "PORT": found.start()}}):
            yield found


def _announce() -> None:
    """Make what was remembered of DATABASES be forgotten."""
    setting_changed.send(sender=None, setting="DATABASES", value=settings.DATABASES, enter=True)


def _drop(names: Any) -> None:
    for name in names:
        _execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(statement: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)

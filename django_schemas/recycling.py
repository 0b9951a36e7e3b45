"""Recycling: ends a connection whose server process has seen many schemas, where nothing is lost by that.

What PostgreSQL has read of the catalog it keeps until the session ends: some 20 kB for each table. So each connection
knows which schemas were named in its statements, and is closed at the next of Django's boundaries (a request's, a
task's), or between two tenants, once it has seen as many as it may; whoever asks next connects anew.
"""

import logging
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from django.db import Error

from .conf import max_schemas
from .health import attempt

__all__ = ["is_worn", "note_seen", "recycle", "seen_by"]

_logger = logging.getLogger("django_schemas.recycling")

_seen: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""By the driver's connection, which Django's pool hands from one thread to another."""

# What would end with the session, and Django knows nothing of.
_KEEPS_STATE = """
SELECT EXISTS (SELECT FROM pg_listening_channels())
    OR EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_cursors WHERE is_holdable)
    OR EXISTS (SELECT FROM pg_prepared_statements WHERE from_sql)
    OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


def seen_by(raw: Any) -> set[str]:
    """The schemas that one of the driver's connections has seen, to be added to."""
    return _seen.setdefault(raw, set())


def note_seen(connection: Any, schemas: Iterable[str]) -> None:
    """Note that statements of a connection will name, or find, what is in these schemas."""
    connection.seen.update(schemas)


def is_worn(connection: Any) -> bool:
    """Tell whether a connection has seen as many schemas as it may."""
    most = max_schemas(connection.alias, connection.primary)
    return most is not None and len(connection.seen) >= most


def recycle(connection: Any) -> None:
    """Close a connection that has seen as many schemas as it may.

    It stays as it is within a transaction, and while its session holds what would end with it: temporary tables,
    session locks, LISTEN, cursors, prepared statements.
    """
    if connection.connection is None or not is_worn(connection):
        return
    if connection.in_atomic_block or not connection.get_autocommit() or _keeps_state(connection):
        return
    _logger.debug("Database %r: a connection ends that has seen %d schemas.", connection.alias, len(connection.seen))
    connection.close()


def _keeps_state(connection: Any) -> bool:
    try:
        # Outside of requests too nobody waits here for a server that hangs.
        with attempt(), connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute(_KEEPS_STATE)
            return bool(cursor.fetchone()[0])
    except Error:  # It is lost.
        return False

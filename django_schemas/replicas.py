"""Replicas: whether a read may go to a copy of the database, and to which.

A replica is an alias `<primary>-read<number>`. A read goes to one that is fresh, unless the primary is in a
transaction, or this context (thread, task) has written to that primary: then it goes to the primary, to see what was
written. Django itself sends what follows a write or locks rows to `db_for_write`.
"""

import logging
from contextvars import ContextVar
from itertools import count
from time import monotonic
from typing import Any

from django.core.signals import request_started
from django.db import DatabaseError, connections

from .alias import SchemaAlias
from .environments import primary_of, replicas_of
from .freshness import FRESH_S, fresh, leave_out
from .health import is_sick
from .sqlstates import UNDEFINED, sqlstate_of

__all__ = ["forget_writes", "may_be_read", "note_write", "primary_instead", "primary_that_knows", "reader"]

_written: ContextVar[frozenset[str]] = ContextVar("django_schemas_written", default=frozenset())
"""Aliases of the primaries that this context has written to."""

_turn = count()
_logger = logging.getLogger("django_schemas.replicas")


_AT_PRIMARY = frozenset(("sessions.Session",))
"""Models that are read at the primary alone: who logs in is sent to the next page at once, and must be known there."""


def reader(alias: SchemaAlias, label: str) -> SchemaAlias:
    """The alias to read a model of a schema from: the primary's own, or that of a fresh replica, in turn."""
    if (
        label in _AT_PRIMARY
        or not replicas_of(alias.db)
        or alias.db in _written.get()
        or connections[alias.db].in_atomic_block
    ):
        return alias
    replicas = fresh(alias.db)
    if not replicas:
        return alias
    return SchemaAlias(replicas[next(_turn) % len(replicas)], alias.schema, alias.environment, alias.db)


def may_be_read(db: str) -> bool:
    """Tell whether a read of a primary's rows can be answered, as far as is known: by itself or by a replica."""
    return not is_sick(db) or bool(replicas_of(db) and fresh(db))


def primary_instead(connection: Any, began: float) -> str | None:
    """The primary's alias if a read that failed is to be sent there, since its replica is gone.

    Args:
        connection: that of the read, which has just failed.
        began: when the read began, by the monotonic clock.
    """
    db = primary_of(connection.alias)
    never_connected = connection.connection is None
    if db == connection.alias or not (never_connected or connection.connection.closed):
        return None
    leave_out(db, connection.alias)
    # A read that ran for long may be what the server died of, or what somebody ended: the primary is spared it.
    if connection.in_atomic_block or not (never_connected or monotonic() - began < FRESH_S):
        return None
    connection.close()
    _logger.warning("A read lost its connection to %r, and was sent to %r.", connection.alias, db)
    return db


def primary_that_knows(connection: Any, error: DatabaseError) -> str | None:
    """The primary's alias if a read failed for what its replica may not have heard of yet: a schema, a table, a column.

    Args:
        connection: that of the read, which has just failed.
        error: why.
    """
    db = primary_of(connection.alias)
    if db == connection.alias or connection.in_atomic_block or sqlstate_of(error) not in UNDEFINED:
        return None
    return db


def note_write(db: str) -> None:
    """Remember that this context wrote to a primary, so that it reads its own writes."""
    written = _written.get()
    if db not in written and replicas_of(db):
        # Not before there is something to forget: each request pays for a receiver.
        request_started.connect(forget_writes, dispatch_uid="django_schemas.replicas")
        _written.set(written | {db})


def forget_writes(**kwargs: object) -> None:
    """Let reads of this context go to replicas again. Called where a request begins.

    Not where one ends: a response that nobody closed ends when it is collected, in the middle of another request.
    """
    _written.set(frozenset())

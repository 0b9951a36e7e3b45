"""Replicas: whether a read may go to a copy of the database, and to which.

A replica is an alias `<primary>-read<number>`. A read goes to one unless the primary is in a transaction, or this
context (thread, task) has written to that primary: then it goes to the primary, to see what was written. Django
itself sends what follows a write or locks rows to `db_for_write`.
"""

from contextvars import ContextVar
from itertools import count

from django.core.signals import request_finished, request_started
from django.db import connections

from .alias import SchemaAlias
from .environments import replicas_of

__all__ = ["forget_writes", "note_write", "reader"]

_written: ContextVar[frozenset[str]] = ContextVar("django_schemas_written", default=frozenset())
"""Aliases of the primaries that this context has written to."""

_turn = count()


def reader(alias: SchemaAlias) -> SchemaAlias:
    """The alias to read a schema from: the primary's own, or a replica's, in turn."""
    replicas = replicas_of(alias.db)
    if not replicas or alias.db in _written.get() or connections[alias.db].in_atomic_block:
        return alias
    return SchemaAlias(replicas[next(_turn) % len(replicas)], alias.schema, alias.environment, alias.db)


def note_write(db: str) -> None:
    """Remember that this context wrote to a primary, so that it reads its own writes."""
    written = _written.get()
    if db not in written and replicas_of(db):
        _written.set(written | {db})


def forget_writes(**kwargs: object) -> None:
    """Let reads of this context go to replicas again. Called where a request begins and ends."""
    _written.set(frozenset())


request_started.connect(forget_writes, dispatch_uid="django_schemas.replicas")
request_finished.connect(forget_writes, dispatch_uid="django_schemas.replicas")

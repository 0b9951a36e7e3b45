"""Work on a tenant that takes more than one transaction: moving, cloning, deleting. One process at a time does it.

What is under way stands in the tenant's `work`, written before anything is done: a dict with its `kind` and whatever it
needs to be resumed by another process, or undone, wherever it was cut off. The lock is a transaction's on a connection
of its own, so PostgreSQL lets go of it when the process or its connection dies; it is safe behind a transaction pooler.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import DatabaseError, InterfaceError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from .exceptions import TenantBusy
from .registry import tenant_model

__all__ = ["lock_connection", "working_on", "working_on_each"]

_held: ContextVar[frozenset[str]] = ContextVar("tenancy_work", default=frozenset())
"""The slugs that this thread or task works on: within its block the same may be asked for again."""


@contextmanager
def working_on(*slugs: str) -> Iterator[None]:
    """Keep every other process from working on these tenants during a block.

    A tenant's row is to be read within the block: what was read before may be old.

    Args:
        slugs: of the tenants; they need not exist yet. One that is renamed is locked by both its slugs.

    Raises:
        TenantBusy: another process, or another thread of this one, works on one of them.
    """
    connection = lock_connection()
    try:
        with working_on_each(slugs, connection) as busy:
            for slug in sorted(busy):
                raise TenantBusy(f"Another process works on tenant {slug!r}: try again when it is done.")
            yield
    finally:
        connection.close()


def lock_connection() -> BaseDatabaseWrapper:
    """A connection to the registry's database that locks are held on; to be closed by whoever asked for it."""
    return connections[router.db_for_write(tenant_model())].copy()


@contextmanager
def working_on_each(slugs: Collection[str], connection: BaseDatabaseWrapper) -> Iterator[frozenset[str]]:
    """Keep every other process from working on these tenants, but for those on which one works already.

    Args:
        slugs: of the tenants.
        connection: the one that the locks are held on, which nothing else uses.

    Returns:
        The slugs of those that others work on.
    """
    wanted = sorted(frozenset(slugs) - _held.get())
    busy: frozenset[str] = frozenset()
    token = None
    try:
        if wanted:
            connection.set_autocommit(False)
            with connection.cursor() as cursor:
                # It idles for as long as the work takes.
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout TO 0")
                # In one order, so that of two who want the same ones neither gets a half.
                cursor.execute(
                    "SELECT slug, pg_try_advisory_xact_lock(hashtextextended('tenancy.' || slug, 0)) "
                    "FROM unnest(%s::text[]) AS slug",
                    [wanted],
                )
                busy = frozenset(slug for slug, had in cursor.fetchall() if not had)
        token = _held.set(_held.get() | frozenset(wanted) - busy)
        yield busy
    finally:
        if token is not None:
            _held.reset(token)
        try:
            # A backend that is only told to end lets go a little later.
            connection.rollback()
        except (DatabaseError, InterfaceError):
            # Who works on others next gets a new one.
            connection.close()

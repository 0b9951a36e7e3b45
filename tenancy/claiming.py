"""Claiming: gives a new tenant a schema of the pool, renamed and marked as the tenant's.

Where registry and schema share a database it is one transaction, part of the caller's if there is one. Elsewhere the
schema is the tenant's first, and its row in the pool is deleted then: cut off between the two, provisioning goes on
with the schema, and whoever meets the row deletes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.db import connections, transaction

from django_schemas.making import state_key
from django_schemas.replicas import note_write
from django_schemas.schemas import lock_schema, mark_of, mark_schema, rename_schema, schema_exists

from .conf import conf
from .filling import refill_later
from .models import AbstractTenant, PooledSchema

__all__ = ["claim", "rehearsed"]

_rehearsed: ContextVar[list[str] | None] = ContextVar("tenancy_rehearsed", default=None)


@contextmanager
def rehearsed() -> Iterator[list[str]]:
    """Say that all transactions that are open, on whichever databases, are rolled back in the end, as those of a test
    are: then what is taken from the pool comes back to it, and need not be made anew.

    Yields:
        The schemas that were taken so far.
    """
    taken: list[str] = []
    token = _rehearsed.set(taken)
    try:
        yield taken
    finally:
        _rehearsed.reset(token)


def claim(tenant: AbstractTenant) -> bool:
    """Make a ready schema the tenant's, if the pool of its database has one that is up to date.

    Returns:
        Whether the tenant has its schema now.
    """
    db, registry = tenant.db, tenant.registry
    rehearsed = _rehearsed.get()
    if db != registry and connections[db].in_atomic_block and rehearsed is None:
        # What the caller rolls back there would be missing from the pool.
        return False
    with transaction.atomic(using=registry):
        while (ready := _first(db, registry)) is not None:
            with transaction.atomic(using=db):
                lock_schema(tenant.alias)
                if schema_exists(db, tenant.schema_name):
                    return False
                taken = _take(ready, tenant)
            ready.delete(using=registry)
            if taken:
                if rehearsed is None:
                    transaction.on_commit(partial(refill_later, db), using=registry)
                else:
                    rehearsed.append(ready.schema_name)
                return True
    return False


def _first(db: str, registry: str) -> PooledSchema | None:
    """The oldest that nobody else is about to take, locked."""
    rows = PooledSchema.objects.using(registry).select_for_update(skip_locked=True)
    return rows.filter(db=db, state=state_key(db, conf.environment)).first()


def _take(ready: PooledSchema, tenant: AbstractTenant) -> bool:
    """Rename and mark a schema; nothing is done if it is not the one that was made for the pool."""
    if mark_of(ready.db, ready.schema_name) != ready.mark:
        return False
    rename_schema(ready.db, ready.schema_name, tenant.schema_name)
    mark_schema(tenant.alias, str(tenant.pk))
    # A replica has not heard of it yet.
    note_write(ready.db)
    return True

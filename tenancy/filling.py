"""Filling the pool: makes ready schemas, and drops what became of no use.

One process at a time fills or sweeps the pool of a database, a schema in each turn. So a schema that looks as if made
for the pool, and has no row there, is what somebody left who was killed.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, Thread, main_thread
from time import sleep

from django.db import connections, router, transaction
from django.db.models import QuerySet

from django_schemas.making import state_key
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.schemas import drop_schema, marks_on

from .conf import conf
from .exceptions import TenantBusy
from .pool import PooledSchema, pooled_id
from .work import working_on

__all__ = ["discard", "fill", "ready", "refill_later", "strays", "sweep"]

_TURN_S = 0.5
"""How long is waited for another process that fills the same pool, before it is asked again."""

_logger = logging.getLogger("tenancy.pool")


def _always() -> bool:
    return True


def ready(db: str) -> int:
    """How many schemas of a database are ready to be claimed by this code."""
    return _rows().filter(db=db, state=state_key(db, conf.environment)).count()


def fill(db: str, size: int, goes_on: Callable[[], bool] = _always) -> Iterator[PooledSchema]:
    """Make schemas until so many are ready; yield each.

    Args:
        db: alias of the database.
        size: how many.
        goes_on: asked before each.

    Raises:
        Exception: whatever a migration raises. Nothing is left of that schema.
    """
    while goes_on() and ready(db) < size:
        with _turn(db, goes_on) as ours:
            made = _make(db) if ours and ready(db) < size else None
        if made is not None:
            yield made


def sweep(db: str, everything: bool = False) -> list[str]:
    """Drop the schemas of a pool that were made with other migrations than this code has, and those without a row.

    Args:
        db: alias of the database.
        everything: drop those that are ready too.

    Returns:
        The names of those that were dropped.
    """
    with _turn(db):
        stale = _rows().filter(db=db)
        if not everything:
            stale = stale.exclude(state=state_key(db, conf.environment))
        # Rows first: what is cut off behind that leaves schemas, which are found by another call.
        _delete(stale)
        known = list(_rows().filter(db=db))
        dropped = _strays(db)
        for schema in dropped:
            drop_schema(db, schema)
        # Whoever claimed the schemas of these was cut off.
        there = marks_on(db, conf.environment)
        _delete(_rows().filter(pk__in=[each.pk for each in known if each.schema_name not in there]))
    return dropped


def discard(db: str, schemas: Collection[str]) -> None:
    """Drop some of the schemas of a pool, but those that somebody is about to claim.

    Args:
        db: alias of the database.
        schemas: names; those that are not of the pool are left alone.
    """
    with _turn(db):
        _delete(_rows().filter(db=db, schema_name__in=schemas))
        for schema in {*schemas} & {*_strays(db)}:
            drop_schema(db, schema)


def strays(db: str) -> list[str]:
    """The schemas of a database that were made for the pool and have no row there; none while somebody fills it."""
    try:
        with working_on(_turn_name(db)):
            return _strays(db)
    except TenantBusy:
        return []


def refill_later(db: str) -> None:
    """Have a thread of this process fill a pool up again. It ends by itself; so does the process, a schema later."""
    global _running
    if conf.pool < 1 or db not in conf.databases:
        return
    with _lock:
        _wanted.add(db)
        if _running:
            return
        _running = True
    try:
        Thread(target=_refill, name="tenancy: pool").start()
    except RuntimeError:  # There is no thread to be had, as at the interpreter's end.
        _running = False


_wanted: set[str] = set()
_running = False
_lock = Lock()


def _refill() -> None:
    global _running
    try:
        while True:
            with _lock:
                if not _wanted:
                    _running = False
                    return
                db = _wanted.pop()
            try:
                for _ in fill(db, conf.pool, main_thread().is_alive):
                    pass
            except Exception:
                _logger.exception("The pool of database %r could not be filled up again.", db)
    finally:
        connections.close_all()


def _forked() -> None:
    global _running, _lock
    _wanted.clear()
    _running = False
    _lock = Lock()


os.register_at_fork(after_in_child=_forked)


def _turn_name(db: str) -> str:
    # No tenant is called so.
    return f"_pool.{db}"


@contextmanager
def _turn(db: str, goes_on: Callable[[], bool] = _always) -> Iterator[bool]:
    """Be the only one in a block; wait for that as long as it goes on, and yield whether it does."""
    with ExitStack() as stack:
        while goes_on():
            try:
                stack.enter_context(working_on(_turn_name(db)))
            except TenantBusy:
                sleep(_TURN_S)
                continue
            yield True
            return
        yield False


def _strays(db: str) -> list[str]:
    # In this order: what is claimed meanwhile has another name by then.
    known = set(_rows().values_list("pk", flat=True))
    there = {schema: pooled_id(schema, mark) for schema, mark in marks_on(db, conf.environment).items()}
    return [schema for schema, pk in there.items() if pk is not None and pk not in known]


def _rows() -> QuerySet[PooledSchema]:
    return PooledSchema.objects.using(router.db_for_write(PooledSchema))


def _delete(rows: QuerySet[PooledSchema]) -> None:
    """Delete rows but those that somebody is about to claim."""
    with transaction.atomic(using=rows.db):
        claimable = rows.select_for_update(skip_locked=True).values_list("pk", flat=True)
        _rows().filter(pk__in=list(claimable)).delete()


def _make(db: str) -> PooledSchema:
    made = PooledSchema(db=db, state=state_key(db, conf.environment))
    migrate_target(target_of(made.alias), owner=str(made.pk), blueprint=conf.blueprint)
    made.save(using=made.registry)
    return made

"""Doing the same in many tenants, one after the other or in threads: `Tenant.objects.active().each(work)`."""

from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.db import connections

from django_schemas import wrap_context
from django_schemas.recycling import recycle

from .context import tenant_context

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["visit"]

_T = TypeVar("_T", bound="AbstractTenant")
_R = TypeVar("_R")


class _Visit(NamedTuple):
    """What came of one tenant."""

    tenant: Any
    result: Any
    error: Exception | None


def visit(tenants: Iterable[_T], work: Callable[[_T], _R], *, threads: int = 1) -> Iterator[tuple[_T, _R]]:
    """Call a function for each of some tenants, with that tenant current, and yield what it returned.

    A tenant is read again before its turn, since it may have been moved or suspended. One that fails stops no other.

    Args:
        tenants: whom to visit.
        work: is called with the tenant.
        threads: how many tenants at a time; each thread has connections of its own, which are closed behind it. With 1
            everything is done in the caller's thread, on its connections and within its transactions.

    Yields:
        the tenant and the result, in the order in which they were done.

    Raises:
        ExceptionGroup: behind all others, the errors of those that failed; a note to each names the tenant.
    """
    if threads < 1:
        raise ValueError("threads must be at least 1.")
    errors = []
    for tenant, result, error in _one_by_one(tenants, work) if threads == 1 else _at_once(tenants, work, threads):
        if error is None:
            yield tenant, result
        else:
            error.add_note(f"In tenant {tenant.slug!r}.")
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{len(errors)} tenants failed", errors)


def _one_by_one(tenants: Iterable["AbstractTenant"], work: Callable[..., Any]) -> Iterator[_Visit]:
    for tenant in tenants:
        yield _visited(tenant, work)
        if tenant.db in connections.settings:
            recycle(connections[tenant.db])


def _visited(tenant: "AbstractTenant", work: Callable[..., Any]) -> _Visit:
    try:
        tenant.refresh_from_db()
        with tenant_context(tenant):
            return _Visit(tenant, work(tenant), None)
    except Exception as error:
        return _Visit(tenant, None, error)


def _at_once(tenants: Iterable["AbstractTenant"], work: Callable[..., Any], threads: int) -> Iterator[_Visit]:
    done: SimpleQueue[_Visit | None] = SimpleQueue()
    waiting, taking, given_up = iter(list(tenants)), Lock(), Event()

    def visiting() -> None:
        try:
            while not given_up.is_set():
                with taking:
                    tenant = next(waiting, None)
                if tenant is None:
                    break
                done.put(_visited(tenant, work))
                _pause()
        finally:
            connections.close_all()
            done.put(None)

    started = [Thread(target=wrap_context(visiting), daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        for _ in started:
            yield from iter(done.get, None)
    finally:
        # Whoever reads no further waits for what has begun, and nothing else begins.
        given_up.set()
        for thread in started:
            thread.join()


def _pause() -> None:
    """Let others have the places of this thread's connections, and end those that have seen much."""
    for connection in connections.all(initialized_only=True):
        if pause := getattr(connection, "pause", None):  # Of other backends' there is nothing to be done.
            pause()

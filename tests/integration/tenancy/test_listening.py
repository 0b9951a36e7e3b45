"""The thread that listens: it begins with a look-up, survives a lost connection, and is each process's own."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections

from tenancy import listening, registry
from tenancy.registry import remembered, tenant_by_slug

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN tenancy_registry' AND datname = current_database()"
HOOLI, VEHEMENT = ("slug", "hooli"), ("slug", "vehement")


@pytest.fixture(autouse=True)
def _listening(tenants: Any, committed: None, settings: Any) -> Iterator[None]:
    settings.TENANCY = {**settings.TENANCY, "LISTEN": True, "CACHE_TTL_S": 600}
    yield
    listening.stop()
    registry.forget()


def execute(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


def until(holds: Callable[[], Any], limit_s: float = 5) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hears() -> bool:
    """Whether a change that this process itself is not told of is heard of, and another tenant is not forgotten."""
    tenant, _ = tenant_by_slug("hooli"), tenant_by_slug("vehement")
    assert tenant is not None
    execute(f"SELECT pg_notify('tenancy_registry', '{tenant.pk}')::text")
    time.sleep(0.1)
    return (remembered(HOOLI), remembered(VEHEMENT)) == (False, True)


def test_begins_with_a_look_up_and_ends_when_idle(monkeypatch: Any, settings: Any) -> None:
    """One connection listens from the first look-up on, and none when nothing was looked up for a while; but as long
    as an answer is remembered, it may have to be forgotten.
    """
    assert execute(BACKENDS) == []
    tenant_by_slug("hooli")
    until(lambda: len(execute(BACKENDS)) == 1)
    until(hears)
    tenant_by_slug("nobody")
    assert len(execute(BACKENDS)) == 1
    monkeypatch.setattr(listening, "IDLE_S", 0.0)
    time.sleep(0.6)
    assert hears()
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 0}
    until(lambda: execute(BACKENDS) == [])


def test_lost_connection() -> None:
    """A connection that is lost is made anew; what may have been missed meanwhile is asked for again."""
    tenant_by_slug("hooli")
    until(hears)
    tenant_by_slug("hooli")
    (pid,) = execute(BACKENDS)
    execute(f"SELECT pg_terminate_backend({pid})")
    until(lambda: execute(BACKENDS) not in ([], [pid]))
    until(lambda: not remembered(HOOLI))
    until(hears)


def test_switched_off(settings: Any) -> None:
    """With LISTEN off nobody does."""
    settings.TENANCY = {**settings.TENANCY, "LISTEN": False}
    tenant_by_slug("hooli")
    time.sleep(0.3)
    assert execute(BACKENDS) == []


def test_forked_process_listens_for_itself() -> None:
    """A child of a process that listens begins anew, and leaves its parent's connection alone."""
    tenant_by_slug("hooli")
    until(hears)
    connections.close_all()
    child = os.fork()
    if not child:
        try:
            begun = listening._listener is None
            registry.forget()
            tenant_by_slug("hooli")
            until(hears)
            os._exit(0 if begun else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    until(hears)

"""Limits: what one tenant's requests may take of a process, so that the others are served."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connections, transaction
from django.http import StreamingHttpResponse
from django.test import RequestFactory, override_settings

from django_schemas.confining import statement_timeout
from tenancy import tenant_context
from tenancy.checks import odd_limits
from tenancy.conf import conf
from tenancy.middleware import TenantMiddleware
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.audit.capture import raw_sql
from tests.serving import Server, serving

SLOW = {"gunicorn": "/slow-query/?s=", "uvicorn": "/aslow-query/?s="}


@pytest.fixture
def timed(committed: None, tenants: dict[str, Tenant]) -> Iterator[Tenant]:
    """A tenant, in a process whose settings limit how long statements take."""
    connections.close_all()
    with override_settings(TENANCY={**conf.tenancy, "STATEMENT_TIMEOUT_S": 30}):
        yield tenants["hooli"]
        connections.close_all()


def timeout_now(db: str = "default") -> str:
    """What the server says, to a statement of no limit."""
    with statement_timeout(None), connections[db].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("block", [nullcontext, transaction.atomic])
def test_a_slow_statement_is_cancelled(timed: Tenant, block: Callable[[], Any]) -> None:
    """Each by itself, in a transaction or not; nothing of the limit is left, and the connection goes on."""
    began = monotonic()
    with pytest.raises(OperationalError, match="statement timeout"), statement_timeout(0.2), block():
        with connections["default"].cursor() as cursor:
            for _ in range(3):
                cursor.execute("SELECT pg_sleep(0.1)")
            cursor.execute("SELECT pg_sleep(20)")
    assert 0.5 <= monotonic() - began < 10
    assert timeout_now() == "0"


def test_limits_nest(timed: Tenant) -> None:
    """The innermost counts, also within one transaction, whoever's the statements are."""
    found = []
    with tenant_context(timed), transaction.atomic(), statement_timeout(7):
        for seconds in (5, None, 0.0001, 5):
            with statement_timeout(seconds), connections["default"].cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                found += cursor.fetchone()
        with pytest.raises(DatabaseError), transaction.atomic(), statement_timeout(3):
            Tag.objects.first()
            with connections["default"].cursor() as cursor, raw_sql("what fails"):
                cursor.execute("SELECT * FROM nothing")
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            found += cursor.fetchone()
    assert found == ["5s", "0", "1ms", "5s", "7s"]


def test_body_that_is_streamed(timed: Tenant) -> None:
    """What is asked for as a response's body is produced is limited too."""

    def body() -> Iterator[str]:
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            yield str(cursor.fetchone()[0])

    request = RequestFactory().get("/", headers={"host": f"{timed.slug}.saas.test"})
    response: Any = TenantMiddleware(lambda request: StreamingHttpResponse(body()))(request)
    assert list(response) == [b"30s"]


def test_no_limit_costs_nothing(committed: None, tenants: dict[str, Tenant]) -> None:
    """Where nothing limits statements, connections are as they were."""
    connections.close_all()
    connections["default"].ensure_connection()
    assert connections["default"].confinement is None


@pytest.fixture(params=SLOW)
def server(request: Any, committed: None, tenants: dict[str, Tenant]) -> Iterator[tuple[Server, str]]:
    """A server that serves two requests of a tenant at a time, whose statements may take two seconds; a slow path."""
    limits = {"MAX_CONCURRENT_REQUESTS": 2, "STATEMENT_TIMEOUT_S": "tests.integration.tenancy.test_limits.seconds"}
    with serving(request.param, threads=6, **limits) as server:
        yield server, SLOW[request.param]


def seconds(tenant: Tenant) -> float | None:
    return None if tenant.slug == "vehement" else 2


def test_too_many_requests(server: tuple[Server, str]) -> None:
    """More than may be are refused at once, and told when to try again; others are served; so are these, later."""
    site, path = server
    assert site.get("vehement.saas.test")[0] == 200
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(site.get, "vehement.saas.test", f"{path}4") for _ in range(2)]
        sleep(1)  # They are being served by now, and will be for long.
        with site.open("vehement.saas.test") as response:
            body = response.read().decode()
        assert (response.status, [each.done() for each in slow]) == (503, [False] * 2)
        assert (response.headers["Retry-After"], "too many requests" in body) == ("5", True)
        assert site.get("hooli.saas.test")[0] == 200
        assert not any(each.done() for each in slow)
        assert [each.result()[0] for each in slow] == [200, 200]
    assert site.get("vehement.saas.test")[0] == 200


def test_slow_statements_of_requests(server: tuple[Server, str]) -> None:
    """A tenant's request whose statement takes too long is answered 503 then; who has no limit waits."""
    site, path = server
    with ThreadPoolExecutor(2) as pool:
        began = monotonic()
        slow, patient = (pool.submit(site.get, f"{slug}.saas.test", f"{path}2.6") for slug in ("hooli", "vehement"))
        assert slow.result()[0] == 503
        assert 1.9 <= monotonic() - began
        assert patient.result()[0] == 200
    assert site.get("hooli.saas.test")[0] == 200


@pytest.mark.parametrize("value", [0, -1, True, "no.such.thing", []])
def test_odd_limits(value: object) -> None:
    """E032: a limit is a number above 0, or tells one."""
    with override_settings(TENANCY={**conf.tenancy, "MAX_CONCURRENT_REQUESTS": value, "STATEMENT_TIMEOUT_S": 1}):
        assert [error.id for error in odd_limits()] == ["tenancy.E032"]
    for good in (1, 0.5, len, "builtins.len", None):
        with override_settings(TENANCY={**conf.tenancy, "MAX_CONCURRENT_REQUESTS": good}):
            assert list(odd_limits()) == []

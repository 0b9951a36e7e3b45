"""Tenants over real servers: each request's context ends with it, each process hears of changes within the bound."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from tenancy import lifecycle
from tenancy.models import Domain, Tenant
from tests.gate import gate_before
from tests.integration.tenancy.test_middleware import expected
from tests.serving import Server, serving

NOTHING_LEFT = {"tenant": None, "placement": None, "rests": []}


@pytest.fixture(autouse=True)
def _tenants(tenants: Any, committed: None) -> None:
    """Tenants that are committed."""


def until(holds: Callable[[], bool], limit_s: float) -> float:
    """Wait until something holds; how long that took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() < begun + limit_s, f"not within {limit_s} s"
        time.sleep(0.02)
    return time.monotonic() - begun


@contextmanager
def suspended(slug: str) -> Iterator[None]:
    tenant = Tenant.objects.get(slug=slug)
    lifecycle.suspend(tenant)
    try:
        yield
    finally:
        lifecycle.resume(tenant)


@pytest.mark.parametrize(("name", "prefix"), [("gunicorn", ""), ("uvicorn", ""), ("uvicorn", "a")])
def test_context_ends_with_the_request(name: str, prefix: str) -> None:
    """Behind answers, errors, streams, and clients that go away nothing is left in the server's threads."""
    with serving(name) as server:
        for slug in ("hooli", "umbrella", "hooli"):
            assert server.get(f"{slug}.saas.test", "/async/" if prefix else "/") == (200, expected(slug))
            assert server.get(f"{slug}.saas.test", "/broken/")[0] == 500
            assert server.get("saas.test", "/left/") == (200, {**NOTHING_LEFT, "ended": []})
            status, lines = server.get(f"{slug}.saas.test", f"/{prefix}stream/")
            assert (status, lines.count(f'"witnesses": ["{slug}"]')) == (200, 5)
        if (name, prefix) == ("uvicorn", ""):
            return  # There Django reads a synchronous body to its end first.
        response = server.open("hooli.saas.test", f"/{prefix}endless/")
        assert b'"witnesses": ["hooli"]' in response.readline()
        response.close()
        until(lambda: server.get("saas.test", "/left/") == (200, {**NOTHING_LEFT, "ended": ["hooli"]}), 5)


@pytest.mark.parametrize(
    ("name", "tenancy", "limit_s"),
    [
        ("gunicorn", {"LISTEN": True, "CACHE_TTL_S": 600}, 1.0),
        ("uvicorn", {"LISTEN": True, "CACHE_TTL_S": 600}, 1.0),
        ("gunicorn", {"LISTEN": False, "CACHE_TTL_S": 1}, 1.5),
    ],
)
def test_change_is_seen_in_every_process(name: str, tenancy: dict[str, Any], limit_s: float) -> None:
    """A tenant that is suspended, renamed, moved or deleted elsewhere is refused at once by a process that listens,
    and within the TTL by one that does not; its neighbour is served on.
    """
    with serving(name, **tenancy) as server:
        hooli = Tenant.objects.get(slug="hooli")

        def status(host: str = "hooli.saas.test") -> int:
            return server.get(host)[0]

        assert (status(), status("vehement.saas.test")) == (200, 200)
        time.sleep(0.5)  # For the listener to begin.
        assert (status(), status("vehement.saas.test")) == (200, 200)
        for target, code in (("suspended", 403), ("moving", 503), ("deleting", 404)):
            hooli.set_status(target)
            until(lambda code=code: status() == code, limit_s)  # type: ignore[misc]
            assert status("vehement.saas.test") == 200
            hooli.set_status("active")
            until(lambda: status() == 200, limit_s)
        lifecycle.rename(hooli, "hooli2")
        until(lambda: status() == 404, limit_s)
        lifecycle.rename(hooli, "hooli")
        until(lambda: status() == 200, limit_s + 1)
        assert status("new.example") == 404
        domain = Domain.objects.create(host="new.example", tenant=hooli)
        until(lambda: status("new.example") == 200, limit_s + 1)
        domain.delete()
        until(lambda: status("new.example") == 404, limit_s)


def test_behind_a_pooler(bouncer: int) -> None:
    """Behind PgBouncer in transaction mode a process does not hear of changes, and sees them within the TTL."""
    pooled = {"HOST": "127.0.0.1", "PORT": bouncer, "DISABLE_SERVER_SIDE_CURSORS": True}
    with serving("gunicorn", {"default": pooled}, LISTEN=True, CACHE_TTL_S=1) as server:
        assert server.get("hooli.saas.test")[0] == 200
        with suspended("hooli"):
            until(lambda: server.get("hooli.saas.test")[0] == 403, 1.5)
        until(lambda: server.get("hooli.saas.test")[0] == 200, 1.5)


class TestOutage:
    @pytest.fixture
    def gate(self) -> Iterator[Any]:
        with gate_before(int(connections["default"].settings_dict["PORT"])) as gate:
            yield gate

    @contextmanager
    def served(self, gate: Any, **tenancy: Any) -> Iterator[Server]:
        """A server whose registry is behind the gate; tenants of the other database are asked of directly."""
        behind = {"HOST": "127.0.0.1", "PORT": gate.port, "OPTIONS": {"connect_timeout": 2}}
        with serving("gunicorn", {"default": behind}, LISTEN=True, CACHE_TTL_S=0.3, **tenancy) as server:
            assert server.get("umbrella.saas.test") == (200, expected("umbrella"))
            yield server

    def test_known_tenants_go_on(self, gate: Any) -> None:
        """With the registry down, a known tenant of another database is served, an unknown one is told to come again,
        nobody waits, and behind it all is as before.
        """
        with self.served(gate) as server:
            gate.refuses = True
            time.sleep(0.5)
            begun = time.monotonic()
            for _ in range(5):
                assert server.get("umbrella.saas.test") == (200, expected("umbrella"))
                with server.open("vehement.saas.test") as response:
                    assert (response.status, response.headers["Retry-After"]) == (503, "5")
            assert time.monotonic() - begun < 1.5
            gate.refuses = False
            until(lambda: server.get("vehement.saas.test")[0] == 200, 3)
            umbrella = Tenant.objects.get(slug="umbrella")
            lifecycle.suspend(umbrella)
            try:
                until(lambda: server.get("umbrella.saas.test")[0] == 403, 1)
            finally:
                lifecycle.resume(umbrella)

    def test_for_a_bounded_time(self, gate: Any) -> None:
        """After STALE_S a known tenant is refused too."""
        with self.served(gate, STALE_S=1) as server:
            gate.refuses = True
            time.sleep(0.5)
            assert server.get("umbrella.saas.test")[0] == 200
            time.sleep(0.8)
            assert server.get("umbrella.saas.test")[0] == 503

    def test_registry_that_hangs(self, gate: Any) -> None:
        """While the registry takes connections and never answers, others than the one who asks don't wait."""
        with self.served(gate) as server:
            gate.hangs = True
            time.sleep(0.5)
            taken = []
            for _ in range(12):
                begun = time.monotonic()
                assert server.get("umbrella.saas.test") == (200, expected("umbrella"))
                taken.append(time.monotonic() - begun)
            gate.hangs = False
            assert sorted(taken)[9] < 0.5

"""Streams of events end with their tenant, over a real server."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenancy import lifecycle
from tenancy.models import Tenant
from tests.integration.tenancy.test_channels import running
from tests.integration.tenancy.test_processes import NOTHING_LEFT, until
from tests.serving import Server


@pytest.fixture(scope="module")
def server(provisioned: Any, redis_url: str) -> Iterator[Server]:
    with running("uvicorn with sockets", redis_url, LISTEN=True, CACHE_TTL_S=600) as server:
        yield server


@pytest.fixture(autouse=True)
def _tenants(tenants: Any, committed: None) -> None:
    """Tenants that are committed."""


def seen(response: http.client.HTTPResponse) -> list[str]:
    """What the next event of a stream says that its tenant sees; nothing at the stream's end."""
    while (line := response.readline()) and not line.startswith(b"data: "):
        pass
    return list(json.loads(line.removeprefix(b"data: "))["witnesses"]) if line else []


def read_on(response: http.client.HTTPResponse, slug: str) -> Callable[[], bool]:
    """Tells whether a stream has ended, by its next event."""

    def has_ended() -> bool:
        found = seen(response)
        assert found in ([slug], [])
        return not found

    return has_ended


@pytest.mark.parametrize("path", ["/aendless/", "/asilent/"])
def test_ends_with_its_tenant(server: Server, path: str) -> None:
    """A stream ends, whether it says anything or not, once its tenant is suspended; its neighbour's goes on."""
    hooli = Tenant.objects.get(slug="hooli")
    ended = server.get("saas.test", "/left/")[1]["ended"]
    mine, other = server.open("hooli.saas.test", path), server.open("vehement.saas.test", path)
    assert (seen(mine), seen(other)) == (["hooli"], ["vehement"])
    time.sleep(1)  # For the process to listen.
    lifecycle.suspend(hooli)
    try:
        begun = time.monotonic()
        until(read_on(mine, "hooli"), 3)
        assert time.monotonic() - begun < 3
        until(lambda: server.get("saas.test", "/left/")[1] == {**NOTHING_LEFT, "ended": [*ended, "hooli"]}, 3)
        assert server.get("hooli.saas.test", path)[0] == 403
    finally:
        lifecycle.resume(hooli)
        mine.close()
        other.close()
    until(lambda: sorted(server.get("saas.test", "/left/")[1]["ended"][len(ended) :]) == ["hooli", "vehement"], 5)


def test_other_responses(server: Server) -> None:
    """What is no stream of events is served as ever, and so is a stream that ends by itself."""
    until(lambda: server.get("hooli.saas.test", "/async/")[0] == 200, 3)
    status, lines = server.get("hooli.saas.test", "/astream/")
    assert (status, lines.count('"witnesses": ["hooli"]')) == (200, 5)
    status, lines = server.get("hooli.saas.test", "/afew/")
    assert (status, lines.count('"witnesses": ["hooli"]')) == (200, 3)
    with server.open("hooli.saas.test", "/afailing/") as response, pytest.raises(http.client.IncompleteRead):
        response.read()

"""From a request to its tenant, and nothing left of it afterwards: over the handlers of Django, sync and async."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from django_schemas import active_placement
from tenancy import current_tenant
from tenancy.models import Domain, Tenant

pytestmark = pytest.mark.django_db(databases="__all__")

PLACES = {"hooli": "default.hooli", "vehement": "default.vehement", "umbrella": "shard2.umbrella"}


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert (current_tenant(), active_placement()) == (None, None)


def get(host: str, path: str = "/", **headers: str) -> Any:
    return Client(raise_request_exception=False).get(path, headers={"host": host, **headers})


class HostedAsyncClient(AsyncClient):
    """Django's, which would send its own host beside the one it is given."""

    async def request(self, **request: Any) -> Any:
        headers = request["headers"]
        request["headers"] = [pair for pair in headers if pair != (b"host", b"testserver")]
        return await super().request(**request)


def aget(host: str, path: str = "/", **headers: str) -> Any:
    client = HostedAsyncClient(raise_request_exception=False)
    return async_to_sync(client.get)(path, headers={"host": host, **headers})


def expected(slug: str) -> dict[str, Any]:
    return {"tenant": slug, "placement": PLACES[slug], "witnesses": [slug], "request": slug}


@pytest.mark.parametrize("slug", PLACES)
@pytest.mark.parametrize("path", ["/", "/async/"])
@pytest.mark.parametrize("ask", [get, aget])
def test_each_tenant_sees_its_own_rows(tenants: Any, ask: Any, path: str, slug: str) -> None:
    """Sub-domains lead to their tenants, in sync and async views behind sync and async handlers."""
    assert ask(f"{slug}.saas.test", path).json() == expected(slug)
    assert (current_tenant(), active_placement()) == (None, None)


@pytest.mark.parametrize(
    "host", ["help.hooli.example", "HELP.hooli.EXAMPLE", "help.hooli.example:8000", "help.hooli.example."]
)
def test_exact_domain(hooli: Tenant, host: str) -> None:
    """A registered host leads to its tenant, however it is spelt."""
    Domain.objects.create(host="Help.Hooli.example", tenant=hooli)
    assert get(host).json() == expected("hooli")


@pytest.mark.parametrize(
    "host",
    [
        "nobody.saas.test",
        "hooli.saas.test.evil.test",
        "x.hooli.saas.test",
        "hoolisaas.test",
        "hooli.test",
        "127.0.0.1",
        "[::1]",
        "www.saas.test",
    ],
)
def test_unknown_host(tenants: Any, host: str) -> None:
    """A host that is nobody's gets 404, and no view runs."""
    assert get(host, "/broken/").status_code == 404
    assert aget(host, "/broken/").status_code == 404


@pytest.mark.parametrize("host", ["", "hooli saas.test", "hooli.saas.test/x", "hooli.saas.test,umbrella.saas.test"])
def test_malformed_host(tenants: Any, host: str) -> None:
    """What is no host at all gets 400."""
    assert get(host).status_code == 400


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("suspended", 403),
        ("provisioning", 503),
        ("moving", 503),
        ("failed", 503),
        ("deleting", 404),
        ("gone", 404),
    ],
)
@pytest.mark.parametrize("ask", [get, aget])
def test_only_active_tenants_are_served(hooli: Tenant, ask: Any, status: str, code: int) -> None:
    """No view runs for a tenant of another status; a 503 says when to try again."""
    Tenant.objects.filter(pk=hooli.pk).update(status=status)
    response = ask("hooli.saas.test", "/broken/")
    assert response.status_code == code
    assert response.headers.get("Retry-After") == ("5" if code == 503 else None)


def test_public_host(tenants: Any) -> None:
    """The bare base domain serves the public URLs, without a tenant, with the platform's own users."""
    assert get("saas.test").json() == {"tenant": None, "users": 0}
    assert get("SAAS.test:80").json() == {"tenant": None, "users": 0}


def test_base_domain_that_a_tenant_registered(hooli: Tenant) -> None:
    """A row of the registry does not take the public host from the platform."""
    Domain.objects.create(host="saas.test", tenant=hooli)
    assert get("saas.test").json() == {"tenant": None, "users": 0}


def test_slug_alone_is_no_host(hooli: Tenant, settings: Any) -> None:
    """Where there is no base domain there are no sub-domains of it: a host of one label is nobody's."""
    settings.TENANCY = {key: value for key, value in settings.TENANCY.items() if key != "BASE_DOMAIN"}
    assert get("hooli").status_code == 404
    settings.TENANCY = {**settings.TENANCY, "BASE_DOMAIN": ""}
    assert get("hooli").status_code == 404


def test_public_host_without_urls(tenants: Any, settings: Any) -> None:
    """Without PUBLIC_URLCONF the bare base domain is 404."""
    settings.TENANCY = {key: value for key, value in settings.TENANCY.items() if key != "PUBLIC_URLCONF"}
    assert get("saas.test").status_code == 404


def test_header(tenants: Any) -> None:
    """A header names the tenant of a request that may name it; any other is 404 and reaches no view."""
    headers = {"X-Tenant": "umbrella", "X-Word": "sesame"}
    assert get("api.saas.example", **headers).json() == expected("umbrella")
    assert get("api.saas.example", **{**headers, "X-Word": "guess"}).status_code == 404
    assert get("api.saas.example", **{**headers, "X-Tenant": "nobody"}).status_code == 404
    assert get("saas.test", **{**headers, "X-Tenant": "nobody"}).status_code == 404
    assert get("hooli.saas.test", **headers).json() == expected("hooli")


def test_header_is_off_by_default(tenants: Any, settings: Any) -> None:
    """Where no header resolver is configured, a header says nothing."""
    settings.TENANCY = {key: value for key, value in settings.TENANCY.items() if key != "RESOLVERS"}
    assert get("api.saas.example", **{"X-Tenant": "umbrella", "X-Word": "sesame"}).status_code == 404


@pytest.mark.parametrize("ask", [get, aget])
def test_nothing_is_left_after_an_error(tenants: Any, ask: Any) -> None:
    """A view that raises leaves no tenant behind, in this thread or task."""
    assert ask("hooli.saas.test", "/broken/").status_code == 500
    assert (current_tenant(), active_placement()) == (None, None)


def test_streaming_body_is_its_own_tenants(tenants: Any) -> None:
    """Bodies that are read later, in turns with others', are made of their own tenant's rows."""
    first, second = get("hooli.saas.test", "/stream/"), get("umbrella.saas.test", "/stream/")
    one, two = iter(first), iter(second)
    for _ in range(5):
        assert json.loads(next(one)) == {
            "tenant": "hooli",
            "placement": "default.hooli",
            "witnesses": ["hooli"],
        }
        assert (current_tenant(), active_placement()) == (None, None)
        assert json.loads(next(two))["witnesses"] == ["umbrella"]
    get("vehement.saas.test")
    assert list(one) == []


@pytest.mark.parametrize("path", ["/tour/", "/atour/"])
def test_streaming_body_that_visits_others(tenants: Any, path: str) -> None:
    """A body that goes to other tenants has what is each one's, as long as it is there, and its own tenant's around."""

    async def read() -> list[Any]:
        response = await HostedAsyncClient().get(path, headers={"host": "hooli.saas.test"})
        return [json.loads(line) async for line in response]

    found = async_to_sync(read)() if path == "/atour/" else [json.loads(line) for line in get("hooli.saas.test", path)]
    slugs = [slug for slug in ("hooli", "umbrella", "vehement") for _ in range(2)]
    assert found == [[slug] for slug in (*slugs, "hooli")]
    assert (current_tenant(), active_placement()) == (None, None)


def test_streaming_body_that_is_cut_off(tenants: Any) -> None:
    """A client that goes away in the middle leaves nothing behind."""
    response = get("hooli.saas.test", "/stream/")
    next(iter(response))
    response.close()
    assert (current_tenant(), active_placement()) == (None, None)


def test_async_streaming_body(tenants: Any) -> None:
    """The same holds for asynchronous bodies."""

    async def read() -> list[Any]:
        first = await HostedAsyncClient().get("/astream/", headers={"host": "hooli.saas.test"})
        second = await HostedAsyncClient().get("/astream/", headers={"host": "umbrella.saas.test"})
        rows = []
        one, two = aiter(first), aiter(second)
        for _ in range(5):
            rows += [json.loads(await anext(one)), json.loads(await anext(two)), current_tenant()]
        return rows

    one = {"tenant": "hooli", "placement": "default.hooli", "witnesses": ["hooli"]}
    two = {"tenant": "umbrella", "placement": "shard2.umbrella", "witnesses": ["umbrella"]}
    assert async_to_sync(read)() == [one, two, None] * 5


@pytest.mark.parametrize("path", ["/module/", "/tags/"])
def test_querysets_of_modules_and_classes(tenants: Any, path: str) -> None:
    """A queryset made as its module was imported is each request's own tenant's."""
    for slug in (*PLACES, *PLACES):
        assert get(f"{slug}.saas.test", path).json() == {"witnesses": [slug]}

"""From a request to its tenant, and nothing left of it afterwards: over the handlers of Django, sync and async."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory

from django_schemas import active_placement, health, wrap_context
from tenancy import current_tenant, lifecycle, tenant_context
from tenancy.exceptions import RegistryUnavailable
from tenancy.middleware import TenantMiddleware
from tenancy.models import Domain, Tenant
from tenancy.resolvers import SubdomainResolver

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


@pytest.mark.parametrize("ask", [get, aget])
def test_unknown_host_explained(tenants: Any, settings: Any, ask: Any) -> None:
    """With DEBUG on a developer is told how the host was looked up; with it off nobody is."""
    assert ask("nobody.saas.test").content == b"There is nothing at this address."
    settings.DEBUG = True
    response = ask("nobody.saas.test:8000", "/<b>/")
    assert (response.status_code, response["Content-Type"]) == (404, "text/plain; charset=utf-8")
    for said in ("Host: nobody.saas.test:8000", "BASE_DOMAIN: saas.test", "tenancy.resolvers.SubdomainResolver"):
        assert said in response.text
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": None, "BASE_DOMAIN": None}
    said = ask("saas.test").text
    assert "BASE_DOMAIN: not set" in said
    assert "PUBLIC_URLCONF: not set" in said


@pytest.mark.parametrize("status", ["suspended", "provisioning"])
def test_only_what_is_unknown_is_explained(hooli: Tenant, settings: Any, status: str) -> None:
    """What is refused for another reason says so already."""
    settings.DEBUG = True
    Tenant.objects.filter(pk=hooli.pk).update(status=status)
    assert get("hooli.saas.test").text.startswith("This account ")
    assert "BASE_DOMAIN" not in get("hooli.saas.test").text


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


@pytest.mark.parametrize("ask", [get, aget])
def test_database_without_time(tenants: Any, ask: Any) -> None:
    """A view whose database gave up on a statement is not an error of the project's, but a 503, to be tried again."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
    assert ask("hooli.saas.test", "/slow-query/?s=5").status_code == 503


def test_view_that_answers_all_the_same(hooli: Tenant) -> None:
    """A view that makes do without what the database did not answer has made a response, which is sent."""

    def look(request: HttpRequest) -> HttpResponse:
        with suppress(OperationalError), transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute("SELECT pg_sleep(5)")
        return HttpResponse("instead")

    response: Any = TenantMiddleware(look)(RequestFactory().get("/", headers={"host": "hooli.saas.test"}))
    assert (response.status_code, response.content) == (200, b"instead")


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, RegistryUnavailable])
@pytest.mark.parametrize("ask", [get, aget])
def test_resolver_without_a_database(
    ask: Any, error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A resolver that can't ask its database ends a request with 503, and with an entry in the log."""

    def fail(self: object, request: HttpRequest) -> None:
        raise error

    monkeypatch.setattr(SubdomainResolver, "__call__", fail)
    assert ask("hooli.saas.test").status_code == 503
    entry = ("tenancy.requests", logging.ERROR, "A resolver could not ask its database.")
    assert (entry in caplog.record_tuples) == (error is not RegistryUnavailable)


@pytest.mark.parametrize("ask", [get, aget])
def test_tenants_of_a_sick_database(tenants: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused at once, and others are served; a tenant that is not served at all is told that."""
    monkeypatch.setattr("django_schemas.replicas.is_sick", "shard2".__eq__)
    assert ask("umbrella.saas.test").status_code == 503
    assert ask("hooli.saas.test").status_code == 200
    lifecycle.suspend(Tenant.objects.get(slug="umbrella"))
    assert ask("umbrella.saas.test").status_code == 403


def nested(middleware: list[TenantMiddleware]) -> tuple[Any, Any]:
    """Views, sync and async, in which the same client asks once more before they answer."""

    def again(client: str) -> HttpRequest:
        return RequestFactory().get("/", headers={"host": f"{client}.saas.test"})

    # As if they came from elsewhere: nothing of the first request is active in them.
    @wrap_context
    def ask(slug: str) -> Any:
        return middleware[0](again(slug))

    @wrap_context
    async def aask(slug: str) -> Any:
        return await cast(Any, middleware[0](again(slug)))

    def look(request: HttpRequest) -> HttpResponse:
        if "again" not in request.GET:
            return HttpResponse("inner")
        answers: list[Any] = [ask(slug) for slug in ("hooli", "vehement")]
        return JsonResponse([answer.status_code for answer in answers], safe=False)

    async def alook(request: HttpRequest) -> HttpResponse:
        if "again" not in request.GET:
            return HttpResponse("inner")
        answers = [await aask(slug) for slug in ("hooli", "vehement")]
        return JsonResponse([answer.status_code for answer in answers], safe=False)

    return look, alook


@pytest.mark.parametrize("is_async", [False, True])
def test_one_request_at_a_time(tenants: Any, settings: Any, is_async: bool) -> None:
    """A tenant's second request at the same time is refused where one is all it may have; another tenant's is served,
    and so is its own next one.
    """
    settings.TENANCY = {**settings.TENANCY, "MAX_CONCURRENT_REQUESTS": 1}
    middleware: list[TenantMiddleware] = []
    middleware.append(TenantMiddleware(nested(middleware)[is_async]))
    for _ in range(2):
        request = RequestFactory().get("/?again", headers={"host": "hooli.saas.test"})
        response: Any = async_to_sync(cast(Any, middleware[0]))(request) if is_async else middleware[0](request)
        assert json.loads(response.content) == [503, 200]


def test_urls_are_loaded_with_the_middleware(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not within the first request: what is made as their modules are loaded belongs to no tenant."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tenants_urls", "publics_urls"):
        (tmp_path / f"{name}.py").write_text("urlpatterns = []\n")
    settings.ROOT_URLCONF = "tenants_urls"
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": "publics_urls"}
    TenantMiddleware(lambda request: HttpResponse())
    assert sys.modules.pop("tenants_urls")
    assert sys.modules.pop("publics_urls")


@pytest.mark.parametrize(("behind", "loads"), [("refuse", 1), ("serve", 0)])
def test_migrations_are_loaded_with_the_middleware(
    settings: Any, behind: str, loads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tenants that are behind are refused, the first request does not wait for them to be loaded."""
    calls: list[object] = []
    monkeypatch.setattr("tenancy.middleware.newest", lambda: calls.append(None))
    settings.TENANCY = {**settings.TENANCY, "BEHIND": behind}
    TenantMiddleware(lambda request: HttpResponse())
    assert len(calls) == loads


def test_file(hooli: Tenant) -> None:
    """A file is sent as the server sends files: it needs no tenant."""
    request = RequestFactory().get("/", headers={"host": "hooli.saas.test"})
    response: Any = TenantMiddleware(lambda request: FileResponse(BytesIO(b"file")))(request)
    assert response.file_to_stream is not None
    assert b"".join(response) == b"file"


def test_both_stacks() -> None:
    """Django puts it into stacks of both kinds as it is."""
    middleware = TenantMiddleware(lambda request: HttpResponse())
    assert (middleware.sync_capable, middleware.async_capable) == (True, True)


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
    # Left to the garbage collector, what Django's client does then can end Python 3.11.
    second.close()


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


def streamed(body: Callable[[Any], Iterator[str]]) -> Any:
    """The response of a request to hooli with such a body, which is given the request."""
    request = RequestFactory().get("/", headers={"host": "hooli.saas.test"})
    return TenantMiddleware(lambda request: StreamingHttpResponse(body(request)))(request)


def test_streaming_body_that_is_cut_off(hooli: Tenant) -> None:
    """A client that goes away in the middle leaves nothing behind; the body is ended within its tenant."""
    ended = []

    def body(request: Any) -> Iterator[str]:
        try:
            yield "1"
            yield "2"
        finally:
            ended.append((current_tenant(), active_placement()))

    response = streamed(body)
    assert next(iter(response)) == b"1"
    response.close()
    assert ended == [(hooli, hooli.placement)]
    assert (current_tenant(), active_placement()) == (None, None)


def test_streaming_body_of_a_tenant_that_is_suspended(hooli: Tenant) -> None:
    """What has begun to be sent is sent to its end."""

    def body(request: Any) -> Iterator[str]:
        yield "1"
        lifecycle.suspend(request.tenant)
        yield "2"
        yield current_tenant().slug  # type: ignore[union-attr]

    assert list(streamed(body)) == [b"1", b"2", b"hooli"]


def test_streaming_body_is_watched(hooli: Tenant) -> None:
    """A database that hangs while a body is produced is noticed, as one that does before."""

    def body(request: Any) -> Iterator[str]:
        yield str(health.watched())

    assert list(streamed(body)) == [b"True"]
    assert not health.watched()


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


@pytest.mark.parametrize("slug", ["hooli", "vehement", "umbrella"])
def test_request_within_a_request(slug: str, hooli: Tenant, vehement: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    """A request made by a tenant's view is that tenant's, or refused: whoever made it would see the answer."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(get(f"{slug}.saas.test").status_code)

    async def aview(request: HttpRequest) -> HttpResponse:
        return HttpResponse((await sync_to_async(get)(f"{slug}.saas.test")).status_code)

    outer = RequestFactory().get("/", headers={"host": "hooli.saas.test"})
    answers = [TenantMiddleware(view)(outer), async_to_sync(TenantMiddleware(aview))(outer)]
    assert [answer.content for answer in answers] == [b"200" if slug == "hooli" else b"404"] * 2
    told = f"A request for tenant {slug} was made within one of tenant hooli: refused."
    assert (("tenancy.requests", told) in [(each.name, each.getMessage()) for each in caplog.records]) is (
        slug != "hooli"
    )


def test_is_adapted_to_no_stack() -> None:
    """Django takes it as it is in sync and async stacks; it would put a thread around what can do one alone."""
    assert (TenantMiddleware.sync_capable, TenantMiddleware.async_capable) == (True, True)


def test_request_within_a_context(hooli: Tenant, vehement: Tenant) -> None:
    """Code that works on a tenant, as tests do, may ask another's page: it is no request of that tenant's."""
    with tenant_context(hooli):
        assert get("vehement.saas.test", "/tags/").json() == {"witnesses": ["vehement"]}
        assert current_tenant() == hooli

"""What a request costs: no statement beside those of its view, and no memory that stays."""

import gc
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import cycle, islice
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from tenancy import registry
from tenancy.models import Tenant
from tenancy.states import Status
from tests.apps.garage.models import Tag
from tests.integration.tenancy.test_middleware import HostedAsyncClient

TENANTS = 100


def one_query(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Tag.objects.values_list("witness", flat=True)[0])


async def aone_query(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await Tag.objects.values_list("witness", flat=True).afirst())


def no_query(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(Tag.objects.filter(pk=1).query))


urlpatterns = [path("one/", one_query), path("aone/", aone_query), path("none/", no_query)]


@pytest.fixture(autouse=True)
def _site(settings: Any, tenants: Any, committed: None) -> Iterator[None]:
    """The views of this module, with tenants that are committed and nothing remembered yet."""
    settings.ROOT_URLCONF = __name__
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 600}
    registry.forget()
    yield
    registry.forget()


@pytest.mark.parametrize("path", ["/one/", "/aone/"])
@pytest.mark.parametrize("is_async", [False, True])
def test_no_statement_beside_the_views(sent: Any, is_async: bool, path: str) -> None:
    """A request of a tenant that is remembered sends the one statement that plain Django sends, sync and async."""

    def ask(slug: str) -> bytes:
        headers = {"host": f"{slug}.saas.test"}
        if is_async:
            return async_to_sync(HostedAsyncClient().get)(path, headers=headers).content
        return Client().get(path, headers=headers).content

    for slug in ("hooli", "vehement"):
        ask(slug)
    for slug in ("hooli", "vehement"):
        with sent() as statements:
            assert ask(slug) == slug.encode()
        assert len(statements) == 1
        assert f'FROM "{slug}"."garage_tag"' in statements[0]


@pytest.fixture
def many() -> Iterator[list[str]]:
    """Slugs of a hundred tenants that have rows in the registry, and no schema."""
    slugs = [f"many{number}" for number in range(TENANTS)]
    Tenant.objects.bulk_create(
        Tenant(name=slug, slug=slug, db="default", schema_name=slug, status=Status.ACTIVE, settings={"plan": [slug]})
        for slug in slugs
    )
    yield slugs
    those = Tenant.objects.filter(slug__in=slugs)
    those._raw_delete("default")  # type: ignore[attr-defined]


@pytest.mark.slow
def test_memory_is_flat(many: list[str], settings: Any) -> None:
    """Ten thousand requests of a hundred tenants in turn leave not a tenth of a block of memory each."""
    settings.MIDDLEWARE = ["tenancy.middleware.TenantMiddleware"]
    ask = asking(many)
    ask(3 * TENANTS)
    before = blocks()
    ask(10_000)
    grown = blocks() - before
    assert grown < 1_000, f"{grown} blocks more"


def asking(slugs: list[str]) -> Callable[[int], None]:
    """What makes so many requests, of one tenant after the other, as a server does."""
    handler = WSGIHandler()
    turn = cycle(slugs)

    def ask(requests: int) -> None:
        for slug in islice(turn, requests):
            environ = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": "/none/",
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "HTTP_HOST": f"{slug}.saas.test",
                "wsgi.url_scheme": "http",
                "wsgi.input": BytesIO(),
            }
            response = handler(environ, lambda status, headers: None)
            assert f'"{slug}"."garage_tag"'.encode() in b"".join(response)
            response.close()

    return ask


def blocks() -> int:
    """How many blocks of memory Python has in use."""
    gc.collect()
    return sys.getallocatedblocks()

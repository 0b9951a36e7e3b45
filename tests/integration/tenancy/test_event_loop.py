"""Resolving in an event loop."""

from threading import get_ident
from typing import Any, ClassVar

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory

from tenancy.middleware import TenantMiddleware
from tenancy.models import Tenant
from tenancy.resolvers import SubdomainResolver


class Noting(SubdomainResolver):
    """Notes the threads that it is called in."""

    threads: ClassVar[list[int]] = []

    def __call__(self, request: HttpRequest) -> Tenant | None:
        self.threads.append(get_ident())
        return super().__call__(request)  # type: ignore[return-value]


def test_what_is_remembered_takes_no_thread(tenants: Any, committed: None, settings: Any) -> None:
    """An async request is resolved in a thread only if the database must be asked."""
    settings.TENANCY = {**settings.TENANCY, "RESOLVERS": [f"{__name__}.Noting"]}
    Noting.threads.clear()

    async def look(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.tenant.slug)  # type: ignore[attr-defined]

    async def ask() -> tuple[list[bytes], list[bool]]:
        middleware = TenantMiddleware(look)
        requests = [AsyncRequestFactory().get("/", headers={"host": "hooli.saas.test"}) for _ in range(3)]
        for request in requests:
            request.META["HTTP_HOST"] = "hooli.saas.test"
        contents = [(await middleware(request)).content for request in requests]  # type: ignore[misc, union-attr]
        await sync_to_async(connections.close_all)()
        return contents, [thread == get_ident() for thread in Noting.threads]

    assert async_to_sync(ask)() == ([b"hooli"] * 3, [True, False, True, True])


class Own:
    """A project's own, which may wait for whatever it asks."""

    threads: ClassVar[list[int]] = []

    def __call__(self, request: HttpRequest) -> None:
        self.threads.append(get_ident())


def test_own_resolver_takes_a_thread(settings: Any) -> None:
    """One that does not say that it only looks up is never asked in the event loop, which would wait for it."""
    settings.TENANCY = {**settings.TENANCY, "RESOLVERS": [f"{__name__}.Own", "tenancy.resolvers.SubdomainResolver"]}
    Own.threads.clear()

    async def look(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    async def ask() -> list[bool]:
        middleware = TenantMiddleware(look)
        assert iscoroutinefunction(middleware)
        await middleware(AsyncRequestFactory().get("/"))  # type: ignore[misc]
        return [thread == get_ident() for thread in Own.threads]

    assert async_to_sync(ask)() == [False]


def test_middleware_of_a_sync_stack() -> None:
    """It is no coroutine function there, so no other middleware awaits it."""
    assert not iscoroutinefunction(TenantMiddleware(lambda request: HttpResponse()))

"""Websockets of one tenant: for Channels, and for whatever else is written as an ASGI application.

A connection is of the tenant that a request to the same host and path would be of: the same resolvers are asked. It is
served with that tenant current, from its handshake on, for each message of the client's and of a group's. Where a
request would be refused (404, 403, 503) it is closed, with that status behind 4000 as its code.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from django_schemas.exceptions import ConfigError
from django_schemas.health import attempt

from .. import middleware
from ..conf import conf
from ..context import current_owner, tenant_context
from ..exceptions import NoCurrentTenant
from ..live import watching
from ..paths import script_prefix
from ..refusals import UNKNOWN, Refusal
from ..resolvers import Resolution

__all__ = ["TenantMiddleware", "group"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

GRACE_S = 30.0
"""How long what serves a connection may take to end behind the close, before it is cancelled."""
_SCHEMES = {"ws": "http", "wss": "https"}
_FOREIGN_PAGE = Refusal("foreign", HTTPStatus.FORBIDDEN, "A page of another site may not open a connection here.")


def group(name: str) -> str:
    """The name of a group of the current tenant: another group than any other tenant's of that name.

    Raises:
        NoCurrentTenant: none is current, so nobody knows whose group is meant.
    """
    owner = current_owner()
    if not owner:
        raise NoCurrentTenant(f"Group {name!r} is a tenant's, and none is current: name it in tenant_context(tenant).")
    return f"tenant.{owner}.{name}"


class TenantMiddleware:
    """Put it around all else that serves websockets, above all around `AuthMiddlewareStack`, whose sessions and users
    are then the tenant's.

    `scope["tenant"]` is the tenant, or None on the public host. A connection ends when its tenant is not served any
    more: the client is told to close, and what serves it hears of that as if the client had gone.

    Args:
        inner: the application within.
    """

    def __init__(self, inner: Application) -> None:
        self.inner = inner
        self.http = middleware.TenantMiddleware(_no_view)
        self._csrf: Any = CsrfViewMiddleware(_no_view)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection within its tenant, or refuse it."""
        found = await sync_to_async(self.resolve)(_request_of(scope))
        if isinstance(found, Refusal):
            await receive()
            await send(_close(found))
        elif found is None:
            with attempt():
                await self.inner({**scope, "tenant": None}, receive, send)
        else:
            root_path = scope.get("root_path", "") + found.prefix
            await self._serve(found, {**scope, "tenant": found.tenant, "root_path": root_path}, receive, _Line(send))

    def resolve(self, request: HttpRequest) -> Resolution | Refusal | None:
        """Find whose connection a request opens: an active tenant's, nobody's (the public host), or why it may not."""
        try:
            found = self.http.resolve(request)
        except SuspiciousOperation:
            return UNKNOWN
        if isinstance(found, Resolution) and found.redirect is not None:
            return UNKNOWN
        if not isinstance(found, Refusal) and self._is_of_foreign_page(request):
            return _FOREIGN_PAGE
        return found

    def _is_of_foreign_page(self, request: HttpRequest) -> bool:
        """Whether a browser opens the connection for a page of another host, which may be another tenant's.

        It sends its cookies along all the same. Django's rule for forms holds: CSRF_TRUSTED_ORIGINS may name the page.
        """
        return "HTTP_ORIGIN" in request.META and not self._csrf._origin_verified(request)

    async def _serve(self, found: Resolution, scope: Scope, receive: Receive, line: "_Line") -> None:
        async with watching(found.tenant) as refused:
            serving = asyncio.create_task(self._within(found, scope, receive, line.send))
            try:
                await asyncio.wait((serving, refused), return_when=asyncio.FIRST_COMPLETED)
                if not serving.done():
                    with suppress(OSError, RuntimeError):  # The client has just gone.
                        await line.send(_close(refused.result()))
                    await asyncio.wait((serving,), timeout=GRACE_S)
            finally:
                serving.cancel()
                await asyncio.wait((serving,))
        if not serving.cancelled():
            serving.result()

    async def _within(self, found: Resolution, scope: Scope, receive: Receive, send: Send) -> None:
        tenant = found.tenant
        with attempt(), self.http.limits.stepping(tenant), tenant_context(tenant), script_prefix(found.prefix):
            await self.inner(scope, receive, send)


class _Line:
    """The way to a client, who is told nothing behind the close."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_closed = False

    async def send(self, event: Event) -> None:
        """Tell the client something."""
        if not self._is_closed:
            self._is_closed = event["type"] == "websocket.close"
            await self._send(event)


def _close(refusal: Refusal) -> Event:
    return {"type": "websocket.close", "code": 4000 + refusal.status, "reason": refusal.text}


def _request_of(scope: Scope) -> HttpRequest:
    """What resolvers are asked about: a request of the same headers and path.

    Raises:
        ConfigError: nobody can tell, or it was not asked in time, whose the connection is.
    """
    if scope["type"] != "websocket":
        raise ConfigError(
            f"A scope of type {scope['type']!r} names no tenant: put TenantMiddleware around what serves 'websocket' "
            "alone. Requests have tenancy.middleware; a worker's consumer enters tenant_context itself."
        )
    if "session" in scope and "tenancy.resolvers.SessionResolver" not in conf.resolver_paths:
        raise ConfigError(
            "A session was looked up before it was known whose it is: put TenantMiddleware around AuthMiddlewareStack, "
            "not into it."
        )
    scheme = _SCHEMES.get(scope.get("scheme", "ws"), "http")
    request = ASGIRequest({**scope, "method": "GET", "scheme": scheme}, BytesIO())
    if "session" in scope:
        request.session = scope["session"]
    return request


def _no_view(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError

"""Comments behind SQL statements that tell whose they are, in sqlcommenter's form: `/*route='cars%2F',tenant='acme'*/`.

`TENANCY["SQL_COMMENTS"] = True` switches them on; the route is known to requests that pass `note_route`.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from ..conf import conf
from ..context import current_tenant

__all__ = ["comment", "comment_maker", "note_route"]

_request: ContextVar[HttpRequest | None] = ContextVar("tenancy_comments_request", default=None)


@sync_and_async_middleware
def note_route(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Have statements of a request name its route: a middleware, to stand behind `TenantMiddleware`."""
    middleware: Callable[[HttpRequest], Any]
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> Any:
            token = _request.set(request)
            try:
                return await get_response(request)
            finally:
                _request.reset(token)

    else:

        def middleware(request: HttpRequest) -> Any:
            token = _request.set(request)
            try:
                return get_response(request)
            finally:
                _request.reset(token)

    return middleware


def comment_maker() -> Callable[[], str] | None:
    """What makes the comments, if the settings want any."""
    return comment if conf.sql_comments else None


def comment() -> str:
    """What is to be said of a statement that is sent now; nothing where neither tenant nor route is known."""
    tenant, match = current_tenant(), getattr(_request.get(), "resolver_match", None)
    return _comment(tenant.slug if tenant is not None else "", match.route if match is not None else "")


@lru_cache(maxsize=10_000)
def _comment(tenant: str, route: str) -> str:
    pairs = (("route", route), ("tenant", tenant))
    return ",".join(f"{key}='{quote(value, safe='')}'" for key, value in pairs if value)

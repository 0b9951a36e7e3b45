"""The middleware: finds the tenant of each request, and serves it with that tenant current, or refuses it.

Only an active tenant's request reaches the views. When the response is returned nothing of the tenant is left; the body
of a streaming response is produced within the tenant it is of, step by step.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib import import_module
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, loader

from django_schemas.context import asteps_within, steps_within

from .conf import conf
from .context import tenant_context
from .exceptions import UnknownTenant
from .models import AbstractTenant
from .resolvers import host_of, load_resolvers
from .states import Status

__all__ = ["TenantMiddleware"]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer that no view gave: status, template, and the words if there is no such template."""

    status: HTTPStatus
    template: str
    text: str


_UNKNOWN = _Refusal(HTTPStatus.NOT_FOUND, "tenancy/unknown.html", "There is nothing at this address.")
_SUSPENDED = _Refusal(HTTPStatus.FORBIDDEN, "tenancy/suspended.html", "This account is suspended.")
_UNAVAILABLE = _Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "tenancy/unavailable.html", "This account is being prepared. Please try again."
)
_REFUSALS = {
    Status.SUSPENDED: _SUSPENDED,
    Status.PROVISIONING: _UNAVAILABLE,
    Status.MOVING: _UNAVAILABLE,
    Status.FAILED: _UNAVAILABLE,
    Status.DELETING: _UNKNOWN,
    Status.GONE: _UNKNOWN,
}


class TenantMiddleware:
    """Put `"tenancy.middleware.TenantMiddleware"` first in MIDDLEWARE: what comes before it has no tenant.

    `request.tenant` is the tenant, or None on the public host, which is served with `TENANCY["PUBLIC_URLCONF"]`.
    Works in sync and async stacks alike.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        self.resolvers = load_resolvers(conf.resolvers)
        # Loaded here, not within the first request: what is made as a module is loaded belongs to no tenant.
        for urlconf in filter(None, (conf.root_urlconf, conf.public_urlconf)):
            import_module(urlconf)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request, within its tenant or without a view."""
        if self.is_async:
            return self.__acall__(request)
        tenant_or_refusal = self.resolve(request)
        if isinstance(tenant_or_refusal, _Refusal):
            return refuse(request, tenant_or_refusal)
        if tenant_or_refusal is None:
            return cast(HttpResponseBase, self.get_response(request))
        with tenant_context(tenant_or_refusal):
            response = self.get_response(request)
        return streamed_within(tenant_or_refusal, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        tenant_or_refusal = await sync_to_async(self.resolve)(request)
        if isinstance(tenant_or_refusal, _Refusal):
            return await sync_to_async(refuse)(request, tenant_or_refusal)
        if tenant_or_refusal is None:
            return cast(HttpResponseBase, await self.get_response(request))
        async with tenant_context(tenant_or_refusal):
            response = await self.get_response(request)
        return streamed_within(tenant_or_refusal, response)

    def resolve(self, request: HttpRequest) -> "AbstractTenant | _Refusal | None":
        """Find whom the request is for: an active tenant, nobody (the public host), or why it is refused."""
        request.tenant = None  # type: ignore[attr-defined]
        try:
            tenant = next(filter(None, (resolver(request) for resolver in self.resolvers)), None)
            if tenant is None:
                return self._public(request)
        except UnknownTenant:
            return _UNKNOWN
        refusal = _REFUSALS.get(Status(tenant.status))
        if refusal is not None:
            return refusal
        request.tenant = tenant  # type: ignore[attr-defined]
        return tenant

    def _public(self, request: HttpRequest) -> "_Refusal | None":
        if conf.public_urlconf is None or host_of(request) != conf.base_domain:
            return _UNKNOWN
        request.urlconf = conf.public_urlconf
        return None


def refuse(request: HttpRequest, refusal: _Refusal) -> HttpResponse:
    """Answer without a view: with the project's template for this case, if it has one."""
    try:
        body: str = loader.render_to_string(refusal.template, {"status": refusal.status.value}, request=None)
    except TemplateDoesNotExist:
        body = refusal.text
    response = HttpResponse(body, status=refusal.status)
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(conf.retry_after_s)
    return response


def streamed_within(tenant: AbstractTenant, response: HttpResponseBase) -> HttpResponseBase:
    """Let the body of a streaming response be produced within its tenant. A file needs none."""
    if getattr(response, "streaming", False) and not isinstance(response, FileResponse):
        streaming = cast(Any, response)
        entering = partial(tenant_context, tenant, allow_inactive=True)
        content = streaming.streaming_content
        if streaming.is_async:
            streaming.streaming_content = asteps_within(entering, cast(AsyncIterator[Any], aiter(content)))
        else:
            streaming.streaming_content = steps_within(entering, cast(Iterator[Any], iter(content)))
    return response

"""The middleware: finds the tenant of each request, and serves it with that tenant current, or refuses it.

Only an active tenant's request reaches the views. When the response is returned nothing of the tenant is left; the body
of a streaming response is produced within the tenant it is of, step by step.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from importlib import import_module
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import InterfaceError, OperationalError
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase

from django_schemas.ambient import Ambient, asteps_within, steps_within, within
from django_schemas.health import Attempt, attempt
from django_schemas.replicas import may_be_read

from .conf import conf
from .context import tenant_context
from .exceptions import RegistryUnavailable, UnknownTenant
from .limits import Limits, TooManyRequests
from .models import AbstractTenant
from .paths import behind, script_prefix
from .proxies import drop_untrusted
from .refusals import BUSY, MIGRATING, UNAVAILABLE, UNKNOWN, Refusal, redirect, refusal_of, refuse
from .resolvers import Resolution, host_of, load_resolvers
from .standing import is_behind, newest

__all__ = ["TenantMiddleware"]

_logger = logging.getLogger("tenancy.requests")

_served: Ambient[AbstractTenant] = Ambient("tenancy_served")
"""Whose request this is part of."""


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
        self.refuses_behind = conf.behind == "refuse"
        self.limits = Limits()
        # What only looks up is asked in the event loop first: what is remembered takes no thread.
        self.only_look_up = all(getattr(resolver, "only_looks_up", False) for resolver in self.resolvers)
        # Loaded here, not within the first request: what is made as a module is loaded belongs to no tenant.
        for urlconf in filter(None, (conf.root_urlconf, conf.public_urlconf)):
            import_module(urlconf)
        if self.refuses_behind:
            newest()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request, within its tenant or without a view."""
        if self.is_async:
            return self.__acall__(request)
        with attempt() as made:
            response = self._answer(request)
        return refuse(request, UNAVAILABLE) if was_not_answered(made, response) else response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        with attempt() as made:
            response = await self._aanswer(request)
        return await sync_to_async(refuse)(request, UNAVAILABLE) if was_not_answered(made, response) else response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        found = self.resolve(request)
        if isinstance(found, Refusal):
            return refuse(request, found)
        if found is None:
            return cast(HttpResponseBase, self.get_response(request))
        if found.redirect is not None:
            return redirect(request, found.redirect)
        request.tenant = found.tenant  # type: ignore[attr-defined]
        try:
            with self.limits.serving(found.tenant), _serving(found.tenant), behind(request, found.prefix):
                response = self.get_response(request)
        except TooManyRequests:
            return refuse(request, BUSY)
        return streamed_within(found, response, self.limits)

    async def _aanswer(self, request: HttpRequest) -> HttpResponseBase:
        found = await self._aresolve(request)
        if isinstance(found, Refusal):
            return await sync_to_async(refuse)(request, found)
        if found is None:
            return cast(HttpResponseBase, await self.get_response(request))
        if found.redirect is not None:
            return redirect(request, found.redirect)
        request.tenant = found.tenant  # type: ignore[attr-defined]
        try:
            with self.limits.serving(found.tenant), _serving(found.tenant), behind(request, found.prefix):
                response = await self.get_response(request)
        except TooManyRequests:
            return await sync_to_async(refuse)(request, BUSY)
        return streamed_within(found, response, self.limits)

    def resolve(self, request: HttpRequest) -> Resolution | Refusal | None:
        """Find whom the request is for: an active tenant, nobody (the public host), or why it is refused."""
        request.tenant = None  # type: ignore[attr-defined]
        drop_untrusted(request)
        try:
            for resolver in self.resolvers:
                found = resolver(request)
                if found:
                    break
            else:
                return self._public(request)
        except UnknownTenant:
            return UNKNOWN
        except RegistryUnavailable:
            return UNAVAILABLE
        except (InterfaceError, OperationalError):
            _logger.exception("A resolver could not ask its database.")
            return UNAVAILABLE
        resolution = found if isinstance(found, Resolution) else Resolution(found)
        if is_of_another(resolution.tenant):
            return UNKNOWN
        refusal = refusal_of(resolution.tenant.status)
        if refusal is None and not may_be_read(resolution.tenant.db):
            return UNAVAILABLE
        if refusal is None and self.refuses_behind and is_behind(resolution.tenant):
            return MIGRATING
        return refusal or resolution

    async def _aresolve(self, request: HttpRequest) -> Resolution | Refusal | None:
        if self.only_look_up:
            try:
                return self.resolve(request)
            except SynchronousOnlyOperation:
                pass
        return await sync_to_async(self.resolve)(request)

    def _public(self, request: HttpRequest) -> Refusal | None:
        if conf.public_urlconf is None or host_of(request) != conf.base_domain:
            return UNKNOWN
        request.urlconf = conf.public_urlconf
        return None


def is_of_another(tenant: AbstractTenant) -> bool:
    """Tell whether a request for this tenant is made within one of another's: by that one's code, as previews are.

    Whoever made it would see the answer.
    """
    around = _served.stack()
    if not around or around[-1].pk == tenant.pk:
        return False
    _logger.warning("A request for tenant %s was made within one of tenant %s: refused.", tenant.slug, around[-1].slug)
    return True


def was_not_answered(made: Attempt, response: HttpResponseBase) -> bool:
    """Tell whether a response says no more than that a database did not answer; Django has logged what happened."""
    return made.failed and response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR


def streamed_within(found: Resolution, response: HttpResponseBase, limits: Limits) -> HttpResponseBase:
    """Let the body of a streaming response be produced within its tenant and its limits. A file needs none."""
    if response.streaming and not isinstance(response, FileResponse):
        streaming = cast(Any, response)
        entering = partial(_streamed, found.tenant, found.prefix, limits)
        content = streaming.streaming_content
        if streaming.is_async:
            streaming.streaming_content = asteps_within(entering, cast(AsyncIterator[Any], aiter(content)))
        else:
            streaming.streaming_content = steps_within(entering, cast(Iterator[Any], iter(content)))
        # Django closes the iterator itself too, when the client goes away, and first.
        streaming.close = within(entering, streaming.close)
    return response


@contextmanager
def _serving(tenant: AbstractTenant) -> Iterator[None]:
    _served.enter(tenant)
    try:
        with tenant_context(tenant):
            yield
    finally:
        _served.leave(tenant)


@contextmanager
def _streamed(tenant: AbstractTenant, prefix: str, limits: Limits) -> Iterator[None]:
    with limits.stepping(tenant), tenant_context(tenant, allow_inactive=True), script_prefix(prefix), attempt():
        yield

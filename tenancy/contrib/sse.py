"""Streams of events that end with their tenant: a middleware for responses of type `text/event-stream`.

A response is served to its end, whatever becomes of the tenant meanwhile. A stream of events has no end: this gives it
one, as soon as requests for the tenant are refused.
"""

from asyncio import timeout
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest

from ..live import Refused, watching
from ..models import AbstractTenant

__all__ = ["EventStreamMiddleware"]


class EventStreamMiddleware:
    """Put `"tenancy.contrib.sse.EventStreamMiddleware"` into MIDDLEWARE, behind `TenantMiddleware`."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; a stream of events of a tenant ends when the tenant is not served any more."""
        if iscoroutinefunction(self):
            return self.__acall__(request)
        return _ending(request, self.get_response(request))

    async def __acall__(self, request: HttpRequest) -> Any:
        return _ending(request, await self.get_response(request))


def _ending(request: HttpRequest, response: Any) -> Any:
    tenant = getattr(request, "tenant", None)
    is_stream = response.get("Content-Type", "").startswith("text/event-stream")
    if tenant is not None and is_stream and getattr(response, "is_async", False):
        response.streaming_content = _while_served(tenant, aiter(response.streaming_content))
    return response


async def _while_served(tenant: AbstractTenant, events: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
    async with watching(tenant) as refused, aclosing(events):
        while not refused.done():
            try:
                async with timeout(None) as waiting:
                    with _cut_by(refused, lambda: waiting.reschedule(0)):
                        event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if waiting.expired():
                    return
                raise
            yield event


@contextmanager
def _cut_by(refused: Refused, cut: Callable[[], None]) -> Iterator[None]:
    """Have what waits in the block be cut off as the tenant is refused."""
    waits = True

    def note(_: Refused) -> None:
        # It may come a moment after what it was to cut off.
        if waits:
            cut()

    refused.add_done_callback(note)
    try:
        yield
    finally:
        waits = False
        refused.remove_done_callback(note)

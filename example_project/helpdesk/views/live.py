"""The stream of events that pages listen to. It says that tickets changed, and no more: there is nothing to leak."""

from asyncio import timeout
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.db import connections, router
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from ... import notices
from ..models import Ticket

QUIET_S = 15
"""How long a stream may be silent, before whoever is in between takes it for dead."""


@require_safe
async def changes(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream to somebody who is logged in. A server with threads has none to spare for it: 204, which ends it."""
    if not (await request.auser()).is_authenticated:
        return HttpResponse(status=403)
    if not hasattr(request, "scope"):
        return HttpResponse(status=204)
    # Else it would be this stream's until it ends.
    await sync_to_async(connections.close_all)()
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(
        events(str(router.db_for_write(Ticket))), content_type="text/event-stream", headers=headers
    )


async def events(db: str) -> AsyncIterator[str]:
    """Say when something changed, and now and then that this is still here."""
    async with notices.awaiting(db) as changed:
        yield "retry: 1000\n\n"
        while True:
            try:
                async with timeout(QUIET_S):
                    await changed.wait()
            except TimeoutError:
                yield ": nothing\n\n"
            else:
                changed.clear()
                yield "data: changed\n\n"

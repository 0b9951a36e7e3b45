"""Live connections: websockets and streams of events, which are open long after their tenant was found to be served.

One task in each event loop watches over the tenants of all that are open. It asks the registry once for all of them:
as soon as a change is heard of, when another connection was opened, and every `CACHE_TTL_S`. So a tenant that is
suspended, deleted or moved loses its connections as soon as it is refused requests, and idle ones cost nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import connections

from .conf import conf
from .models import AbstractTenant
from .refusals import UNAVAILABLE, UNKNOWN, Refusal, refusal_of
from .registry import changes, tenants_now

__all__ = ["Refused", "watching"]

Refused = asyncio.Future[Refusal]
"""Done once a connection's tenant is not served any more, with how requests for it are refused."""

STEP_S = 0.25
"""How often it is looked whether there is something to ask for."""

_logger = logging.getLogger("tenancy.live")


@asynccontextmanager
async def watching(tenant: AbstractTenant) -> AsyncIterator[Refused]:
    """Watch over a tenant while a connection of it is open.

    Args:
        tenant: as it was when the connection was opened.

    Yields what is done when it is not served any more, or lives elsewhere than the connection reads and writes.
    """
    watch = _watches.setdefault(asyncio.get_running_loop(), _Watch())
    refused = watch.add(tenant)
    try:
        yield refused
    finally:
        watch.remove(refused)


class _Watch:
    """Watches over the tenants of the connections that are open in one event loop."""

    def __init__(self) -> None:
        self._open: dict[Refused, AbstractTenant] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_due = False
        self._answered = 0.0

    def add(self, tenant: AbstractTenant) -> Refused:
        """Watch over a tenant, whose last answer may be as old as what is remembered."""
        refused = asyncio.get_running_loop().create_future()
        self._open[refused] = tenant
        self._is_due = True
        if self._task is None:
            self._answered = monotonic()
            # It lives longer than who began it, whose tenant is none of its business.
            self._task = asyncio.create_task(self._run(), context=Context())
        return refused

    def remove(self, refused: Refused) -> None:
        """Watch no more. The task ends when there is nothing left."""
        del self._open[refused]
        refused.cancel()

    async def _run(self) -> None:
        asked, heard = monotonic(), changes()
        try:
            while self._open:
                await asyncio.sleep(STEP_S)
                if self._is_due or changes() != heard or monotonic() - asked >= conf.cache_ttl_s:
                    self._is_due, asked, heard = False, monotonic(), changes()
                    await self._ask(dict(self._open))
        finally:
            # It holds the loop, which is what this is found by and must be free to go.
            self._task = None

    async def _ask(self, watched: Mapping[Refused, AbstractTenant]) -> None:
        pks = {tenant.pk for tenant in watched.values()}
        asked = monotonic()
        try:
            # In a thread of its own: the one that views and consumers share may be held by a slow statement.
            now = await sync_to_async(_tenants_now, thread_sensitive=False)(pks)
        except Exception as error:  # Whatever it is, nobody knows who is served. It is asked again.
            _logger.warning("Open connections outlive what is known of their tenants: %s", error)
            now = None
        if now is not None:
            self._answered = asked
        elif asked - self._answered < conf.stale_s:
            return
        for refused, tenant in watched.items():
            refusal = UNAVAILABLE if now is None else _refusal(tenant, now.get(tenant.pk))
            if refusal is not None and not refused.done():
                refused.set_result(refusal)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()


def _tenants_now(pks: set[Any]) -> dict[Any, AbstractTenant]:
    try:
        return tenants_now(pks)
    finally:
        connections.close_all()


def _refusal(was: AbstractTenant, now: AbstractTenant | None) -> Refusal | None:
    if now is None:
        return UNKNOWN
    refusal = refusal_of(now.status)
    return UNAVAILABLE if refusal is None and now.placement != was.placement else refusal

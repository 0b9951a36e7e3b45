"""Who watches over open connections: what is asked, and when."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from tenancy import live
from tenancy.live import watching
from tenancy.models import Tenant
from tenancy.refusals import UNAVAILABLE, UNKNOWN, Refusal


@pytest.fixture(autouse=True)
def _tenants(tenants: Any, committed: None, settings: Any) -> None:
    """Tenants that are committed; nobody listens, and what is known is known for long."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 600}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[Any]]:
    """The keys of the tenants that the registry was asked for, at each time."""
    found: list[set[Any]] = []
    ask: Callable[[set[Any]], Any] = live._tenants_now

    def note(pks: set[Any]) -> Any:
        found.append(pks)
        return ask(pks)

    monkeypatch.setattr(live, "_tenants_now", note)
    return found


async def refused(tenant: Tenant, patience_s: float = 3) -> Refusal | None:
    """How a connection of a tenant is ended; None if it is not within so many seconds."""
    async with watching(tenant) as ended:
        await asyncio.wait((ended,), timeout=patience_s)
        return ended.result() if ended.done() else None


def test_what_changed_before(asked: list[set[Any]]) -> None:
    """A connection that was opened on an old answer is found out at once, though others are watched already."""
    hooli, vehement = Tenant.objects.get(slug="hooli"), Tenant.objects.get(slug="vehement")
    moved = Tenant.objects.get(slug="hooli")
    moved.schema_name = "elsewhere"
    missing = Tenant(slug="missing", schema_name="missing", db="default")

    async def play() -> list[Refusal | None]:
        async with watching(vehement) as other:
            await asyncio.sleep(4 * live.STEP_S)
            found = [await refused(moved), await refused(missing)]
            assert await refused(hooli, 1) is None
            assert not other.done()
        return found

    assert asyncio.run(play()) == [UNAVAILABLE, UNKNOWN]
    assert asked[0] == {vehement.pk}


def test_one_question_for_all(asked: list[set[Any]], settings: Any) -> None:
    """However many are open, the registry is asked once for all of them, and no more when none is."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 1}
    everybody = list(Tenant.objects.filter(slug__in=("hooli", "vehement", "umbrella"))) * 100

    async def play() -> None:
        assert await asyncio.gather(*(refused(tenant, 2.5) for tenant in everybody)) == [None] * 300
        await asyncio.sleep(2 * live.STEP_S)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(play())
    gc.collect()
    assert not live._watches
    assert {frozenset(pks) for pks in asked} == {frozenset(tenant.pk for tenant in everybody)}
    assert 2 <= len(asked) <= 4


def test_its_connections_are_closed() -> None:
    """The thread that asked the registry keeps no connection to it."""
    hooli = Tenant.objects.get(slug="hooli")

    async def play() -> list[Any]:
        assert await refused(hooli, 1) is None
        # The loop has started one thread, which is asked now.
        return await asyncio.to_thread(lambda: [each.connection for each in connections.all(initialized_only=True)])

    kept = asyncio.run(play())
    assert kept == [None] * len(kept) != []

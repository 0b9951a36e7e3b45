"""The current tenant: entered, left, refused, and kept apart between threads, tasks and generators."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.db.models.signals import post_save

from django_schemas import active_placement, wrap_context
from tenancy import current_tenant, tenant_context
from tenancy.context import current_owner
from tenancy.exceptions import TenantNotActive
from tenancy.models import Tenant
from tests.apps.garage.models import Tag

SWITCHES = 1_000


def witnesses() -> set[str]:
    return set(Tag.objects.values_list("witness", flat=True))


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert (current_tenant(), active_placement()) == (None, None)


@pytest.mark.django_db(databases="__all__")
class TestOneThread:
    def test_nests(self, hooli: Tenant, umbrella: Tenant) -> None:
        """The innermost tenant is current, and leaving it brings back the one around it."""
        with tenant_context(hooli) as entered:
            assert (entered, current_tenant(), witnesses()) == (hooli, hooli, {"hooli"})
            with tenant_context(umbrella):
                assert (current_tenant(), active_placement(), witnesses()) == (
                    umbrella,
                    umbrella.placement,
                    {"umbrella"},
                )
            assert (current_tenant(), active_placement()) == (hooli, hooli.placement)

    def test_owner(self, hooli: Tenant) -> None:
        """What is made for the current tenant names it by its key; on the public host it names nobody."""
        assert current_owner() == ""
        with tenant_context(hooli):
            assert current_owner() == str(hooli.pk)

    def test_may_be_entered_while_entered(self, hooli: Tenant, umbrella: Tenant) -> None:
        """One context object is no more than the tenant it names: it can be entered again within itself."""
        context = tenant_context(hooli)
        with context, tenant_context(umbrella), context:
            assert witnesses() == {"hooli"}

    def test_ends_with_an_error(self, hooli: Tenant) -> None:
        """An exception ends it as its end does."""
        with pytest.raises(ZeroDivisionError), tenant_context(hooli):
            raise ZeroDivisionError

    def test_decorates(self, hooli: Tenant) -> None:
        """A decorated function runs as the tenant, recursion included, and nothing else does."""

        @tenant_context(hooli)
        def depth(levels: int) -> list[Tenant | None]:
            return [current_tenant(), *(depth(levels - 1) if levels else [])]  # type: ignore[list-item]

        assert depth(2) == [hooli] * 3

    @pytest.mark.parametrize("status", ["provisioning", "suspended", "moving", "deleting", "gone", "failed"])
    def test_inactive_tenant_is_refused(self, hooli: Tenant, status: str) -> None:
        """A tenant of another status is not entered, unless one says that this is maintenance."""
        hooli.status = status
        with pytest.raises(TenantNotActive, match=status), tenant_context(hooli):
            pass
        with tenant_context(hooli, allow_inactive=True):
            assert witnesses() == {"hooli"}

    def test_interleaved_generators(self, hooli: Tenant, vehement: Tenant) -> None:
        """Decorated generators that take turns each see their own tenant, and their consumer sees none."""

        def read() -> Iterator[tuple[set[str], str | None]]:
            for _ in range(SWITCHES):
                tenant = current_tenant()
                yield witnesses(), tenant and tenant.slug

        one, two = tenant_context(hooli)(read)(), tenant_context(vehement)(read)()
        for seen_by_one, seen_by_two in zip(one, two, strict=True):
            assert (seen_by_one, seen_by_two) == (({"hooli"}, "hooli"), ({"vehement"}, "vehement"))
            assert current_tenant() is None

    def test_callback_on_commit(self, hooli: Tenant, vehement: Tenant, django_capture_on_commit_callbacks: Any) -> None:
        """A callback runs with the tenant current that it was registered for; without one, as nobody's."""
        found: list[Any] = []

        def look() -> None:
            found.append((current_tenant(), active_placement()))

        register = wrap_context(transaction.on_commit)
        with tenant_context(vehement), django_capture_on_commit_callbacks(execute=True):
            with tenant_context(hooli):
                transaction.on_commit(look)
            register(look)
        assert found == [(hooli, hooli.placement), (None, None)]

    def test_wrapped_function_in_a_pool(self, hooli: Tenant, vehement: Tenant) -> None:
        """It takes the current tenant along into another thread."""
        with tenant_context(hooli):
            wrapped = wrap_context(current_tenant)
        with tenant_context(vehement), ThreadPoolExecutor(1) as pool:
            assert pool.submit(wrapped).result() == hooli
            assert pool.submit(current_tenant).result() is None

    def test_receivers_of_signals(self, hooli: Tenant, umbrella: Tenant) -> None:
        """A receiver that is called within a tenant's context finds it current."""
        found: list[Any] = []

        def look(**kwargs: Any) -> None:
            found.append((current_tenant(), active_placement()))

        post_save.connect(look, sender=Tag)
        try:
            with tenant_context(hooli):
                Tag.objects.create(name="new", witness="hooli")
        finally:
            post_save.disconnect(look, sender=Tag)
        assert found == [(hooli, hooli.placement)]

    def test_contexts_that_end_in_another_order(self, hooli: Tenant, vehement: Tenant) -> None:
        """Contexts held by suspended generators may end in any order: none ends another, none comes back."""

        def hold(tenant: Tenant) -> Iterator[None]:
            with tenant_context(tenant):
                yield

        one, two = hold(hooli), hold(vehement)
        next(one), next(two)
        assert current_tenant() == vehement
        next(one, None)
        assert (current_tenant(), witnesses()) == (vehement, {"vehement"})
        next(two, None)
        assert current_tenant() is None


def test_threads(tenants: dict[str, Tenant], committed: None) -> None:
    """Threads that share the tenant objects and switch all the time see their own tenant's rows only."""

    def work(slug: str) -> int:
        context = tenant_context(tenants[slug])
        wrong = 0
        for _ in range(SWITCHES):
            with context:
                wrong += witnesses() != {slug} or current_tenant() != tenants[slug]
            wrong += current_tenant() is not None
        connections.close_all()
        return wrong

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ["hooli", "vehement"])) == [0, 0]


async def test_tasks(tenants: dict[str, Tenant], committed: None) -> None:
    """So do asyncio tasks of one thread, with awaits between entering, asking and leaving."""

    async def work(slug: str) -> int:
        context = tenant_context(tenants[slug])
        wrong = 0
        for _ in range(SWITCHES):
            async with context:
                await asyncio.sleep(0)
                wrong += {tag.witness async for tag in Tag.objects.all()} != {slug}
                wrong += current_tenant() != tenants[slug]
            await asyncio.sleep(0)
            wrong += current_tenant() is not None
        return wrong

    assert await asyncio.gather(work("hooli"), work("vehement")) == [0, 0]
    await sync_to_async(connections.close_all)()


async def test_sync_to_async(tenants: dict[str, Tenant], committed: None) -> None:
    """A function that is called in a thread by asgiref has the tenant of the task that calls it, and leaves none."""
    for thread_sensitive in (True, False):
        for slug in ("hooli", "vehement"):
            async with tenant_context(tenants[slug]):
                look = sync_to_async(lambda: (current_tenant(), witnesses()), thread_sensitive=thread_sensitive)
                assert await look() == (tenants[slug], {slug})
            assert await sync_to_async(current_tenant, thread_sensitive=thread_sensitive)() is None
    await sync_to_async(connections.close_all)()


async def test_interleaved_async_generators(tenants: dict[str, Tenant], committed: None) -> None:
    """So do decorated asynchronous generators that take turns in one task."""

    async def read() -> AsyncIterator[set[str]]:
        for _ in range(100):
            yield {tag.witness async for tag in Tag.objects.all()}

    one, two = tenant_context(tenants["hooli"])(read)(), tenant_context(tenants["vehement"])(read)()
    async for seen in one:
        assert (seen, await anext(two)) == ({"hooli"}, {"vehement"})
        assert current_tenant() is None
    await sync_to_async(connections.close_all)()


def test_querysets_of_interleaved_consumers(tenants: dict[str, Tenant], committed: None) -> None:
    """Iterators of two tenants' querysets, read in turns after both contexts ended, give their own rows."""
    made = []
    for slug in ("hooli", "vehement"):
        with tenant_context(tenants[slug]):
            made.append(Tag.objects.order_by("pk").values_list("witness", flat=True).iterator(chunk_size=1))
    for one, two in zip(*made, strict=True):
        assert (one, two) == ("hooli", "vehement")

"""The current tenant under load: contexts shared by threads and tasks, left by errors and cancellations, held by
generators. Each sees its own tenant at each moment, and nothing is left.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from random import Random
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.db.models.signals import post_save

from django_schemas import active_placement
from tenancy import current_tenant, tenant_context
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.isolation.conftest import Towns


class Fell(Exception):
    """An error in a block."""


def right(tenant: Tenant | None) -> bool:
    """Whether this thread or task is at a tenant, or at none."""
    current = current_tenant()
    return (current and current.pk, active_placement()) == (tenant and tenant.pk, tenant and tenant.placement)


class Thread:
    """One that goes from tenant to tenant, by contexts that all share.

    Attributes:
        wrong: how often it was not where it should be.
        switches: how often it entered.
    """

    def __init__(self, number: int, contexts: list[tenant_context]) -> None:
        self.random = Random(number)
        self.contexts = contexts
        self.wrong = self.switches = 0
        self.generators: list[Iterator[None]] = []

    def run(self, switches: int) -> int:
        """Do so many switches; how much was wrong."""
        while self.switches < switches:
            with suppress(Fell):
                self.nest(None, self.random.randint(1, 5))
            self.see(None)
        self.generators.clear()
        self.see(None)
        connections.close_all()
        return self.wrong

    def nest(self, outer: Tenant | None, depth: int) -> None:
        """Enter a tenant, work there, go on inside of it, and leave, in every tenth case by an error."""
        context = self.random.choice(self.contexts)
        self.switches += 1
        with context as tenant:
            self.see(tenant)
            self.work(tenant)
            if depth:
                self.nest(tenant, depth - 1)
            self.see(tenant)
            if self.random.random() < 0.1:
                raise Fell
        self.see(outer)

    def see(self, tenant: Tenant | None) -> None:
        self.wrong += not right(tenant)

    def work(self, tenant: Tenant) -> None:
        """Read; and now and then what takes the context elsewhere: a callback, a receiver, a generator."""
        self.wrong += list(Tag.objects.values_list("witness", flat=True)) != [tenant.slug]
        chance = self.random.random()
        if chance < 0.1:
            with ExitStack() as block:
                block.enter_context(transaction.atomic(using=tenant.db))
                transaction.on_commit(lambda: self.see(tenant), using=tenant.db)
                # Committed where another is current.
                with self.random.choice(self.contexts):
                    block.close()
        elif chance < 0.2:
            tag = Tag.objects.get()
            with self.random.choice(self.contexts):
                # Receivers find its own tenant's placement active, whoever saves it.
                tag.save()
        elif chance < 0.3:
            # Held open while others come and go, and closed or collected later.
            generator = self.held(self.random.choice(self.contexts), self.random.choice(self.contexts))
            next(generator)
            self.see(tenant)
            self.generators = [*self.generators[-2:], generator]
            next(self.random.choice(self.generators), None)
            self.see(tenant)

    def held(self, context: tenant_context, within: tenant_context) -> Iterator[None]:
        """Steps at a tenant, and for some of them at another."""

        @context
        def steps() -> Iterator[None]:
            home = current_tenant()
            yield
            with within as tenant:
                for _ in range(2):
                    yield
                    self.see(tenant)
            self.see(home)
            yield
            self.see(home)

        return steps()


def threads(tenants: list[Tenant], number: int, switches: int) -> int:
    """How much was wrong in so many threads of so many switches."""
    contexts = [tenant_context(tenant) for tenant in tenants]
    heard: list[bool] = []

    def listen(instance: Tag, **kwargs: Any) -> None:
        place = active_placement()
        heard.append(place is not None and (place.db, place.schema) == (instance.db_name, instance.schema_name))

    post_save.connect(listen, sender=Tag)
    try:
        with ThreadPoolExecutor(number) as pool:
            wrong = sum(pool.map(lambda each: Thread(each, contexts).run(switches), range(number)))
    finally:
        post_save.disconnect(listen, sender=Tag)
    assert heard
    return wrong + heard.count(False)


async def tasks(tenants: list[Tenant], number: int, switches: int) -> int:
    """How much was wrong in so many tasks of so many switches, of which some are cut off."""
    contexts = [tenant_context(tenant) for tenant in tenants]
    wrong = 0

    async def switch(random: Random, outer: Tenant | None, depth: int) -> None:
        nonlocal wrong
        async with random.choice(contexts) as tenant:
            wrong += not right(tenant)
            await asyncio.sleep(0)
            wrong += not right(tenant)
            if random.random() < 0.02:
                wrong += [tag.witness async for tag in Tag.objects.all()] != [tenant.slug]
                wrong += not right(tenant)
            if depth:
                await switch(random, tenant, depth - 1)
            if random.random() < 0.1:
                raise Fell
        wrong += not right(outer)

    async def run(number: int) -> None:
        nonlocal wrong
        random = Random(number)
        for _ in range(switches // 2):
            if random.random() < 0.1:
                inner = asyncio.create_task(switch(random, None, 1))
                for _ in range(random.randint(0, 3)):
                    await asyncio.sleep(0)
                inner.cancel()
                with suppress(asyncio.CancelledError, Fell):
                    await inner
            else:
                with suppress(Fell):
                    await switch(random, None, 1)
            wrong += not right(None)

    await asyncio.gather(*(run(each) for each in range(number)))
    return wrong


def test_threads(towns: Towns) -> None:
    """Eight threads, which share the contexts of six tenants."""
    assert threads(towns(6), 8, 60) == 0


@pytest.mark.long
def test_threads_at_length(towns: Towns) -> None:
    """32 threads, each of a thousand switches."""
    assert threads(towns(20), 32, 1_000) == 0


async def check_tasks(towns: Towns, tenants: int, number: int, switches: int) -> None:
    made = await sync_to_async(towns)(tenants)
    assert await tasks(made, number, switches) == 0
    assert right(None)
    await sync_to_async(connections.close_all)()


async def test_tasks(towns: Towns) -> None:
    """Fifty tasks, of which some are cancelled."""
    await check_tasks(towns, 4, 50, 20)


@pytest.mark.long
async def test_tasks_at_length(towns: Towns) -> None:
    """200 tasks, each of a hundred switches."""
    await check_tasks(towns, 20, 200, 100)

"""Contexts at work: threads, tasks and generators that each read and write in another schema at the same time."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections

from django_schemas import active_placement, schema_context
from tests.apps.garage.models import Owner, Tag
from tests.apps.garage.witness import Place, seen

SWITCHES = 1000


def test_threads(committed: None, acme: Place, globex: Place, initech: Place) -> None:
    """Three threads, 1,000 switches each over three schemas of two databases, nested: no wrong row, nothing left."""
    contexts = {place.witness: place.active() for place in (acme, globex, initech)}
    barrier = threading.Barrier(3)

    def work(seed: int) -> tuple[int, Any]:
        rng = random.Random(seed)
        wrong = 0
        barrier.wait()
        try:
            for _ in range(SWITCHES // 2):
                outer, inner = rng.choices(list(contexts), k=2)
                with contexts[outer]:
                    queryset = Owner.objects.filter(name="Ada")
                    with contexts[inner]:
                        wrong += Owner.objects.get(name="Bob").witness != inner
                        wrong += queryset.get().witness != outer
            return wrong, active_placement()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [(0, None)] * 3


def test_threads_that_write(committed: None, acme: Place, globex: Place) -> None:
    """Two threads write 100 rows each into their schema: each row is in the schema that it names."""

    def work(place: Place) -> None:
        try:
            for number in range(100):
                with place.active():
                    Tag.objects.create(name=f"t{number}", witness=f"{place.witness} thread")
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, [acme, globex]))
        for place in (acme, globex):
            written = place(Tag).objects.filter(witness__endswith=" thread")
            assert seen(written) == sorted((f"t{number}", f"{place.witness} thread") for number in range(100))
    finally:
        for place in (acme, globex):
            place(Tag).objects.filter(witness__endswith=" thread").delete()


def test_tasks(acme: Place, globex: Place, initech: Place) -> None:
    """Two tasks and a third, 1,000 switches each, awaiting inside: no wrong row, nothing left."""

    async def work(place: Place, other: Place) -> tuple[int, Any]:
        wrong = 0
        for _ in range(SWITCHES // 2):
            async with place.active():
                queryset = Owner.objects.filter(name="Ada")
                await asyncio.sleep(0)
                with other.active():
                    wrong += (await queryset.aget()).witness != place.witness
                    await asyncio.sleep(0)
                    wrong += (await Owner.objects.aget(name="Bob")).witness != other.witness
        return wrong, active_placement()

    async def main() -> list[tuple[int, Any]]:
        return list(await asyncio.gather(work(acme, globex), work(globex, initech), work(initech, acme)))

    assert async_to_sync(main)() == [(0, None)] * 3


def test_sync_code_in_a_task(acme: Place, globex: Place) -> None:
    """`sync_to_async` and back take the active placement along, each task its own."""

    def read() -> tuple[str, ...]:
        witness = Owner.objects.get(name="Ada").witness
        return witness, async_to_sync(aread)()

    async def aread() -> str:
        return (await Owner.objects.aget(name="Ada")).witness

    async def work(place: Place) -> set[tuple[str, ...]]:
        found = set()
        for _ in range(20):
            async with place.active():
                await asyncio.sleep(0)
                found.add(await sync_to_async(read)())
        return found

    async def main() -> list[set[tuple[str, ...]]]:
        return list(await asyncio.gather(work(acme), work(globex)))

    assert async_to_sync(main)() == [{("default.acme",) * 2}, {("default.globex",) * 2}]


def test_interleaved_generators(acme: Place, globex: Place, initech: Place) -> None:
    """Decorated generators of two schemas, taken in turn in a third, 1,000 steps: each step reads its own."""

    def names(schema: str) -> Iterator[str]:
        @schema_context("default", schema)
        def generate() -> Iterator[str]:
            for _ in range(SWITCHES // 2):
                yield Owner.objects.get(name="Ada").witness

        return generate()

    with initech.active():
        found = {
            (one, two, Owner.objects.get(name="Ada").witness if step % 50 == 0 else initech.witness)
            for step, (one, two) in enumerate(zip(names("acme"), names("globex"), strict=True))
        }
    assert found == {("default.acme", "default.globex", "shard2.initech")}
    assert active_placement() is None


def test_streamed_rows(acme: Place, globex: Place) -> None:
    """A generator expression over a queryset that is consumed inside of another schema gives its own rows."""
    with acme.active():
        body = (f"{owner.name} {owner.car_set.first().witness};" for owner in Owner.objects.order_by("name"))
    with globex.active():
        streamed = "".join(body)
    assert streamed == "Ada default.acme;Bob default.acme;"

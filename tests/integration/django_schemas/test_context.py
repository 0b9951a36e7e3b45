"""Contexts at work: threads, tasks and generators that each read and write in another schema at the same time."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction

from django_schemas import active_placement, schema_context, wrap_context
from django_schemas.exceptions import NoActiveSchema
from django_schemas.replicas import reader
from tests.apps.garage.models import Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.integration.django_schemas.standby import REPLICA

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


def test_wrapped_function_in_a_pool(committed: None, acme: Place, globex: Place) -> None:
    """Functions that were wrapped in two schemas read their own in the threads of a pool; an unwrapped one, none."""

    def read(name: str) -> str:
        try:
            return Owner.objects.get(name=name).witness
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with acme.active():
            mine = pool.map(wrap_context(read), ["Ada", "Bob"] * 20)
            unwrapped = pool.submit(read, "Ada")
        with globex.active():
            theirs = pool.map(wrap_context(read), ["Ada", "Bob"] * 20)
        assert (set(mine), set(theirs)) == ({"default.acme"}, {"default.globex"})
        with pytest.raises(NoActiveSchema):
            unwrapped.result()


class TestOnCommit:
    """Callbacks that are registered in one place, and run where a transaction is committed."""

    def test_real_commit(self, committed: None, acme: Place, globex: Place) -> None:
        """A callback reads and writes the schema it was registered in, whatever is active at the commit."""
        found: list[str] = []

        def write() -> None:
            found.append(Tag.objects.create(name="late", witness=Owner.objects.get(name="Ada").witness).schema_name)

        try:
            with globex.active(), transaction.atomic():
                with acme.active():
                    transaction.on_commit(write)
                transaction.on_commit(write)
            assert found == ["acme", "globex"]
            for place in (acme, globex):
                assert seen(place(Tag).objects.filter(name="late")) == [("late", place.witness)]
        finally:
            for place in (acme, globex):
                place(Tag).objects.filter(name="late").delete()

    def test_registered_where_nothing_is_active(self, committed: None, acme: Place) -> None:
        """Such a callback raises NoActiveSchema, even if it runs where something is active."""
        register = wrap_context(transaction.on_commit)
        with acme.active(), pytest.raises(NoActiveSchema), transaction.atomic():
            register(lambda: list(Owner.objects.all()))

    def test_callback_of_a_callback(self, committed: None, acme: Place, globex: Place) -> None:
        """What a callback registers in its turn belongs to its placement too."""
        found: list[Any] = []

        def first() -> None:
            with transaction.atomic():
                transaction.on_commit(lambda: found.append(active_placement()))

        with transaction.atomic(), acme.active():
            transaction.on_commit(first)
        assert found == [acme.placement]

    def test_outside_of_a_transaction(self, committed: None, acme: Place) -> None:
        """There it runs at once, in the active placement."""
        found: list[Any] = []
        with acme.active():
            transaction.on_commit(lambda: found.append(active_placement()))
        assert found == [acme.placement]

    def test_error_of_a_callback(self, committed: None, acme: Place, globex: Place, caplog: Any) -> None:
        """A robust callback that fails is logged by its name; another one's error is raised; nothing stays active."""

        def fail() -> None:
            raise KeyError

        with globex.active():
            with transaction.atomic(), acme.active():
                transaction.on_commit(fail, robust=True)
            assert ".<locals>.fail in on_commit() during transaction" in caplog.text
            with pytest.raises(KeyError), transaction.atomic(), acme.active():
                transaction.on_commit(fail)
            assert active_placement() == globex.placement

    def test_rolled_back(self, committed: None, acme: Place) -> None:
        """One that was registered in a savepoint that was rolled back does not run."""
        found: list[Any] = []
        with transaction.atomic(), acme.active():
            with pytest.raises(KeyError), transaction.atomic():
                transaction.on_commit(lambda: found.append("rolled back"))
                raise KeyError
            transaction.on_commit(lambda: found.append(active_placement()))
        assert found == [acme.placement]

    def test_captured_callbacks(self, acme: Place, globex: Place, django_capture_on_commit_callbacks: Any) -> None:
        """A test that captures callbacks can compare them with their functions, and call them anywhere."""
        found: list[Any] = []

        def look() -> None:
            found.append(active_placement())

        with django_capture_on_commit_callbacks() as callbacks, acme.active():
            transaction.on_commit(look)
        assert callbacks == [look]
        assert len({look, *callbacks}) == 1
        with globex.active():
            callbacks[0]()
        assert found == [acme.placement]

    def test_what_can_not_be_called(self, acme: Place) -> None:
        """It is refused as it is registered, as Django does."""
        with pytest.raises(TypeError):
            transaction.on_commit("no function")  # type: ignore[arg-type]

    @pytest.mark.skipif("default-read1" not in connections.settings, reason="there is no replica")
    def test_writes_are_remembered(self, replica: None, acme: Place) -> None:
        """Reads behind a callback that wrote go to the primary, as they do behind any write."""
        alias = acme.ada._state.db
        assert reader(alias, "garage.Owner") == REPLICA
        with transaction.atomic(), acme.active():
            transaction.on_commit(lambda: Tag.objects.filter(name="none").update(name="x"))
        assert reader(alias, "garage.Owner") == "default"

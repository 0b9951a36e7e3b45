"""The active placement: entered, left, nested, shared, and never left behind."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, suppress
from contextvars import ContextVar, copy_context
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import SimpleNamespace
from typing import Any, Self

import pytest
from django.apps import apps

from django_schemas import Placement, active_placement, schema_context, wrap_context
from django_schemas.alias import SchemaAlias
from django_schemas.ambient import SyncAndAsync, asteps_within, steps_within, within
from django_schemas.context import ensure_active, places
from django_schemas.exceptions import ConfigError, InvalidSchemaName

ACME = Placement("default", "acme")
GLOBEX = Placement("default", "globex")
INITECH = Placement("shard2", "initech")
REGISTRY = Placement("default", "registry")


def test_nothing_is_active_by_default() -> None:
    """Without a context there is no active placement, not even that of a single-schema environment."""
    assert active_placement() is None
    assert active_placement("tenant") is None
    assert active_placement("registry") is None


def test_context_gives_and_activates_its_placement() -> None:
    """Inside of the block the placement is active, behind it nothing is."""
    with schema_context("default", "acme") as placement:
        assert placement == active_placement() == active_placement("tenant") == ACME
    assert active_placement() is None


def test_contexts_nest() -> None:
    """The innermost counts, and each gives way to the one around it."""
    with schema_context("default", "acme"):
        with schema_context("shard2", "initech"):
            with schema_context("default", "acme"):
                assert active_placement() == ACME
            assert active_placement() == INITECH
        assert active_placement() == ACME
    assert active_placement() is None


def test_each_environment_has_its_own() -> None:
    """A context of one environment does not hide that of another one around it."""
    with schema_context("default", "acme"), schema_context("default", "registry"):
        assert active_placement() == active_placement("registry") == REGISTRY
        assert active_placement("tenant") == ACME


def test_unknown_environment_is_an_error() -> None:
    """A misspelt environment is a ConfigError, not `None`."""
    for call in (lambda: active_placement("tennant"), lambda: schema_context("default", "acme", "tennant")):
        with pytest.raises(ConfigError, match=r"^Environment 'tennant' is not in DATABASE_ENVIRONMENTS"):
            call()
    assert active_placement("depot") is None


@pytest.mark.parametrize(
    ("db", "schema", "environment", "error"),
    [
        ("default", "Acme", None, InvalidSchemaName),
        ("default", "public", None, InvalidSchemaName),
        ("default", "acme", "depot", ConfigError),
        ("shard2", "registry", "registry", ConfigError),
        ("shard3", "acme", None, ConfigError),
        ("default-read1", "acme", None, ConfigError),
    ],
)
def test_a_context_of_no_place_can_not_be_made(
    db: str, schema: str, environment: str | None, error: type[Exception]
) -> None:
    """A wrong name is an error where it is written, not where the first query is."""
    with pytest.raises(error):
        schema_context(db, schema, environment)


def test_exception_leaves_the_context() -> None:
    """An exception passes through, and what was active before is active again."""
    with schema_context("default", "acme"):
        with pytest.raises(KeyError), schema_context("default", "globex"):
            raise KeyError
        assert active_placement() == ACME
    assert active_placement() is None


def test_one_context_entered_many_times() -> None:
    """The same object may be entered while it is entered, and entered again afterwards."""
    acme = schema_context("default", "acme")
    globex = schema_context("default", "globex")
    for _ in range(2):
        with acme, globex, acme:
            assert active_placement() == ACME
            with globex:
                assert active_placement() == GLOBEX
            assert active_placement() == ACME
        assert active_placement() is None


def test_exit_in_another_order_than_entry() -> None:
    """Contexts that end in another order than they began end only themselves."""
    acme, globex, initech = (
        schema_context("default", "acme"),
        schema_context("default", "globex"),
        schema_context("shard2", "initech"),
    )
    found = []
    for context in (acme, globex, initech):
        context.__enter__()
    for context in (globex, acme, initech):
        context.__exit__(None, None, None)
        found.append(active_placement())
    assert found == [INITECH, INITECH, None]


def test_exit_without_entry_ends_nothing() -> None:
    """An exit too many does not end somebody else's context."""
    with schema_context("default", "acme"):
        schema_context("default", "globex").__exit__(None, None, None)
        schema_context("default", "acme").__exit__(None, None, None)
        assert active_placement() == ACME
    assert active_placement() is None


def test_exit_stack() -> None:
    """It works wherever a context manager does."""
    with ExitStack() as stack:
        for name in ("acme", "globex"):
            stack.enter_context(schema_context("default", name))
        assert active_placement() == GLOBEX
    assert active_placement() is None


def test_new_thread_has_nothing_active() -> None:
    """A thread begins with nothing active, whatever its starter has active, unless it is handed a copied context."""
    with ThreadPoolExecutor(1) as pool, schema_context("default", "acme"):
        assert pool.submit(active_placement).result() is None
        assert pool.submit(copy_context().run, active_placement).result() == ACME
        assert pool.submit(active_placement).result() is None


def test_contexts_shared_by_threads() -> None:
    """8 threads enter and leave the same two objects 500 times each, nested and with exceptions: each sees its own."""
    shared = {name: schema_context("default", name) for name in ("acme", "globex")}
    barrier = threading.Barrier(8)

    def work(seed: int) -> int:
        rng = random.Random(seed)
        wrong = 0
        barrier.wait()
        for _ in range(500):
            outer, inner = rng.choices(list(shared), k=2)
            with suppress(KeyError), shared[outer]:
                with shared[inner]:
                    wrong += active_placement() != Placement("default", inner)
                wrong += active_placement() != Placement("default", outer)
                if rng.random() < 0.1:
                    raise KeyError
            wrong += active_placement() is not None
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [0] * 8


async def test_async_with() -> None:
    """It is an async context manager as well, with the same answers."""
    async with schema_context("default", "acme") as placement:
        assert placement == active_placement() == ACME
        await asyncio.sleep(0)
        assert active_placement() == ACME
    assert active_placement() is None


async def test_contexts_shared_by_tasks() -> None:
    """50 tasks enter and leave the same two objects 100 times each, a tenth of them cancelled: each sees its own."""
    shared = {name: schema_context("default", name) for name in ("acme", "globex")}

    async def work(seed: int) -> int:
        rng = random.Random(seed)
        wrong = 0
        for _ in range(100):
            outer, inner = rng.choices(list(shared), k=2)
            try:
                async with shared[outer]:
                    await asyncio.sleep(0)
                    with shared[inner]:
                        await asyncio.sleep(0)
                        wrong += active_placement() != Placement("default", inner)
                        if rng.random() < 0.1:
                            asyncio.current_task().cancel()  # type: ignore[union-attr]
                            await asyncio.sleep(0)
                    wrong += active_placement() != Placement("default", outer)
            except asyncio.CancelledError:
                pass
            wrong += active_placement() is not None
        return wrong

    assert await asyncio.gather(*(work(seed) for seed in range(50))) == [0] * 50


async def test_task_keeps_the_placement_it_was_made_in() -> None:
    """A task that was started in a context keeps it when its starter leaves, and its own contexts stay its own."""
    left = asyncio.Event()

    async def later() -> list[Placement | None]:
        found = [active_placement()]
        await left.wait()
        with schema_context("default", "globex"):
            found.append(active_placement())
        return [*found, active_placement()]

    async with schema_context("default", "acme"):
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    left.set()
    assert await task == [ACME, GLOBEX, ACME]
    assert active_placement() is None


async def test_exit_in_another_task_than_entry() -> None:
    """A context that another task ends raises nothing there, and goes on where it was entered."""
    context = schema_context("default", "acme")
    context.__enter__()

    async def leave() -> Placement | None:
        context.__exit__(None, None, None)
        return active_placement()

    assert await asyncio.create_task(leave()) is None
    assert active_placement() == ACME
    context.__exit__(None, None, None)
    assert active_placement() is None


def test_decorated_function() -> None:
    """A decorated function runs in the placement, keeps its name, arguments and result, and leaves on an exception."""

    @schema_context("default", "acme")
    def where(*args: int, **kwargs: int) -> tuple[object, ...]:
        """Say where."""
        if kwargs.get("fail"):
            raise KeyError
        return active_placement(), args, kwargs

    assert where(1, b=2) == (ACME, (1,), {"b": 2})
    assert (where.__name__, where.__doc__) == ("where", "Say where.")
    with pytest.raises(KeyError):
        where(fail=1)
    assert active_placement() is None


def test_decorated_recursive_function() -> None:
    """A decorated function may call itself."""

    @schema_context("default", "acme")
    def count(n: int) -> int:
        assert active_placement() == ACME
        return count(n - 1) + 1 if n else 0

    assert count(5) == 5


def test_decorated_method() -> None:
    """A decorated method gets its instance."""

    class View:
        @schema_context("default", "acme")
        def get(self) -> tuple[object, Placement | None]:
            return self, active_placement()

    view = View()
    assert view.get() == (view, ACME)


async def test_decorated_coroutine_function() -> None:
    """A decorated coroutine function stays one; it runs in the placement when it is awaited, not when it is called."""

    @schema_context("default", "acme")
    async def where() -> Placement | None:
        await asyncio.sleep(0)
        return active_placement()

    assert iscoroutinefunction(where)
    waiting = where()
    assert active_placement() is None
    assert await waiting == ACME
    assert active_placement() is None


def steps(log: list[object], closed: Callable[[], None] = lambda: None) -> Generator[object, object, str]:
    """Yield what is active; log what comes in, with what was active then; end when told so."""
    try:
        sent = None
        while sent != "end":
            try:
                sent = yield active_placement()
                log.append((sent, active_placement()))
            except KeyError as error:
                log.append((repr(error), active_placement()))
        return f"ended in {active_placement()}"
    finally:
        log.append(("closed", active_placement()))
        closed()


def test_decorated_generator_is_active_during_its_steps() -> None:
    """Each step runs in the placement, between the steps nothing is active: values sent, exceptions thrown, the end."""
    log: list[object] = []
    decorated = schema_context("default", "acme")(steps)
    assert isgeneratorfunction(decorated) or decorated.__name__ == "steps"
    generator = decorated(log)
    assert active_placement() is None
    assert next(generator) == ACME
    assert active_placement() is None
    assert generator.send("x") == ACME
    assert generator.throw(KeyError("y")) == ACME
    assert active_placement() is None
    with pytest.raises(StopIteration) as stop:
        generator.send("end")
    assert stop.value.value == "ended in default.acme"
    assert log == [("x", ACME), ("KeyError('y')", ACME), ("end", ACME), ("closed", ACME)]
    assert active_placement() is None


def test_decorated_generator_closes_in_its_placement() -> None:
    """Closed early, its clean-up runs in the placement, whatever is active where it is closed."""
    log: list[object] = []
    generator = schema_context("default", "acme")(steps)(log)
    next(generator)
    with schema_context("default", "globex"):
        generator.close()
        assert active_placement() == GLOBEX
    assert log == [("closed", ACME)]


def test_decorated_generator_returns_through_yield_from() -> None:
    """`yield from` gets its return value."""

    def outer() -> Iterator[object]:
        result = yield from schema_context("default", "acme")(steps)([])
        yield result

    generator = outer()
    next(generator)
    assert generator.send("end") == "ended in default.acme"  # type: ignore[attr-defined]


def test_decorated_generator_that_raises() -> None:
    """What it raises comes out as it is, and nothing stays active."""

    @schema_context("default", "acme")
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("boom")

    generator = failing()
    next(generator)
    with pytest.raises(KeyError, match="boom"):
        next(generator)
    assert active_placement() is None


def test_exception_thrown_in_and_not_caught() -> None:
    """An exception that it does not catch comes out again, and it has ended."""

    @schema_context("default", "acme")
    def plain() -> Iterator[int]:
        yield 1
        yield 2

    generator = plain()
    next(generator)
    with pytest.raises(ValueError, match="in"):
        generator.throw(ValueError("in"))  # type: ignore[attr-defined]
    assert list(generator) == []
    assert active_placement() is None


def test_interleaved_decorated_generators() -> None:
    """Two of them taken in turn, 1,000 steps each, with a third placement around: each step sees its own."""

    @schema_context("default", "acme")
    def in_acme() -> Iterator[Placement | None]:
        for _ in range(1000):
            yield active_placement()

    @schema_context("default", "globex")
    def in_globex() -> Iterator[Placement | None]:
        for _ in range(1000):
            yield active_placement()

    with schema_context("shard2", "initech"):
        found = {(*pair, active_placement()) for pair in zip(in_acme(), in_globex(), strict=True)}
    assert found == {(ACME, GLOBEX, INITECH)}
    assert active_placement() is None


def test_context_inside_a_suspended_generator_stays_active() -> None:
    """As documented: a `with` inside a generator is seen by whoever goes on while it is suspended, until it ends."""

    def holding() -> Iterator[Placement | None]:
        with schema_context("default", "acme"):
            yield active_placement()

    generator = holding()
    assert next(generator) == ACME
    assert active_placement() == ACME
    generator.close()  # type: ignore[attr-defined]
    assert active_placement() is None


def test_interleaved_generators_that_hold_contexts() -> None:
    """Two generators that each hold one, ended in the order of their beginning, leave nothing behind."""

    def holding(schema: str) -> Iterator[Placement | None]:
        with schema_context("default", schema):
            yield active_placement()

    first, second = holding("acme"), holding("globex")
    assert (next(first), next(second)) == (ACME, GLOBEX)
    assert next(first, None) is None
    assert active_placement() == GLOBEX
    assert next(second, None) is None
    assert active_placement() is None


async def asteps(log: list[object]) -> AsyncGenerator[object, object]:
    """The same as `steps`, asynchronously."""
    try:
        sent = None
        while sent != "end":
            try:
                sent = yield active_placement()
                await asyncio.sleep(0)
                log.append((sent, active_placement()))
            except KeyError as error:
                log.append((repr(error), active_placement()))
    finally:
        await asyncio.sleep(0)
        log.append(("closed", active_placement()))


async def test_decorated_async_generator_is_active_during_its_steps() -> None:
    """Each step runs in the placement and none is active between them: asend, athrow and the end."""
    log: list[object] = []
    decorated = schema_context("default", "acme")(asteps)
    assert isasyncgenfunction(decorated) or decorated.__name__ == "asteps"
    generator = decorated(log)
    assert await anext(generator) == ACME
    assert active_placement() is None
    assert await generator.asend("x") == ACME
    assert await generator.athrow(KeyError("y")) == ACME
    assert active_placement() is None
    with pytest.raises(StopAsyncIteration):
        await generator.asend("end")
    assert log == [("x", ACME), ("KeyError('y')", ACME), ("end", ACME), ("closed", ACME)]
    assert active_placement() is None


async def test_decorated_async_generator_closes_in_its_placement() -> None:
    """Closed early, its clean-up runs in the placement, whatever is active where it is closed."""
    log: list[object] = []
    async with schema_context("default", "globex"):
        async with aclosing(schema_context("default", "acme")(asteps)(log)) as generator:
            assert await anext(generator) == ACME
        assert active_placement() == GLOBEX
    assert log == [("closed", ACME)]


async def test_decorated_async_generator_with_async_for() -> None:
    """`async for` in two tasks at once: each step sees its own, the loops' bodies nothing."""

    async def consume(schema: str) -> set[tuple[Placement | None, Placement | None]]:
        @schema_context("default", schema)
        async def generator() -> AsyncIterator[Placement | None]:
            for _ in range(200):
                await asyncio.sleep(0)
                yield active_placement()

        return {(inside, active_placement()) async for inside in generator()}

    assert await asyncio.gather(consume("acme"), consume("globex")) == [{(ACME, None)}, {(GLOBEX, None)}]


async def test_decorated_async_generator_that_raises() -> None:
    """What it raises comes out as it is, and nothing stays active."""

    @schema_context("default", "acme")
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise KeyError("boom")

    generator = failing()
    await anext(generator)
    with pytest.raises(KeyError, match="boom"):
        await anext(generator)
    assert active_placement() is None


COLLECTED = """
import gc
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django_schemas.backends.postgres.wrapper", "ENVIRONMENTS": ["tenant"]}},
    DATABASE_ENVIRONMENTS={"tenant": {}},
)
from django_schemas import active_placement, schema_context

class Cycle:
    pass

@schema_context("default", "acme")
def suspended(cycle):
    yield cycle

gc.set_threshold(1, 1, 1)
context = schema_context("default", "globex")
for phase in range(5_000):
    cycle = Cycle()
    cycle.generator = suspended(cycle)
    next(cycle.generator)
    # Collected after more or fewer objects, so now and then in the very moment.
    filler = [[] for _ in range(phase % 50)]
    with context:
        pass
# The last one is closed here: CPython 3.12.1 ends in a fault if a collection is due when it ends and finds a generator.
cycle.generator.close()
assert active_placement() is None
"""


def test_generator_closed_by_the_garbage_collector() -> None:
    """A suspended generator may be collected while a context is being entered: nothing breaks, nothing is left."""
    # With freed memory overwritten, what CPython 3.11 would read of it ends the process.
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED], env={**os.environ, "PYTHONMALLOC": "debug"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_wrapped_function_runs_with_what_was_active() -> None:
    """In a thread's pool it sees the placements of all environments that were active, and of later ones none."""

    def look(environment: str | None) -> Placement | None:
        return active_placement(environment)

    with schema_context("default", "acme"), schema_context("default", "registry"):
        wrapped = wrap_context(look)
    with schema_context("shard2", "initech"), ThreadPoolExecutor(1) as pool:
        assert list(pool.map(wrapped, ["tenant", "registry", None])) == [ACME, REGISTRY, REGISTRY]
        assert list(pool.map(look, ["tenant", "registry", None])) == [None] * 3
        assert (wrapped("tenant"), active_placement()) == (ACME, INITECH)
    assert active_placement() is None


def test_function_wrapped_where_nothing_is_active() -> None:
    """It runs with nothing active, whatever is active where it is called."""
    wrapped = wrap_context(active_placement)
    with schema_context("default", "acme"):
        assert (wrapped(), active_placement()) == (None, ACME)


def test_wrapped_function_leaves_nothing_behind() -> None:
    """Neither an error nor what it makes active and leaves so is there behind the call."""

    def fail() -> None:
        schema_context("default", "globex").__enter__()
        raise KeyError

    with schema_context("default", "acme"):
        wrapped = wrap_context(fail)
    with schema_context("shard2", "initech"):
        with pytest.raises(KeyError):
            wrapped()
        assert active_placement() == INITECH
    assert active_placement() is None


def test_wrapped_functions_nest() -> None:
    """A wrapped function that calls another one gets its own placement back behind it."""
    with schema_context("default", "acme"):
        inner = wrap_context(active_placement)
    with schema_context("default", "globex"):
        outer = wrap_context(lambda: (inner(), active_placement()))
    assert (outer(), active_placement()) == ((ACME, GLOBEX), None)


def test_wrapped_function_ends_what_was_begun_outside() -> None:
    """A generator that holds a context and is closed within a wrapped function does not stay active outside of it."""

    def holding(schema: str) -> Generator[None, None, None]:
        with schema_context("default", schema):
            yield

    first, second = holding("acme"), holding("globex")
    inner = wrap_context(first.close)
    with schema_context("shard2", "initech"):
        next(first)
        next(second)
        wrap_context(inner)()
        assert active_placement() == GLOBEX
        second.close()
        assert active_placement() == INITECH
    assert active_placement() is None


def test_wrapped_function_ends_what_it_remembers() -> None:
    """So does what was active where it was wrapped too; what the function begins itself does not count."""

    def holding() -> Generator[None, None, None]:
        with context:
            yield

    def close() -> None:
        with context, suppress(KeyError), context:
            raise KeyError
        assert active_placement() == GLOBEX
        generator.close()
        assert active_placement() == INITECH

    context = schema_context("default", "globex")
    with schema_context("shard2", "initech"):
        generator = holding()
        next(generator)
        wrap_context(wrap_context(close))()
        assert active_placement() == INITECH
    assert active_placement() is None


def going_through(log: list[object]) -> Generator[Placement | None, None, None]:
    """Steps in a context of its own, with one around it for some of them."""
    try:
        yield active_placement()
        with schema_context("default", "acme"):
            yield active_placement()
            with schema_context("shard2", "initech"):
                yield active_placement()
                yield active_placement()
            try:
                yield active_placement()
            finally:
                log.append(active_placement())
        yield active_placement()
    finally:
        log.append(active_placement())


async def agoing_through(log: list[object]) -> AsyncGenerator[Placement | None, None]:
    """The same, asynchronously."""
    for step in (steps := going_through(log)):
        await asyncio.sleep(0)
        try:
            yield step
        except GeneratorExit:
            steps.close()
            raise


STEPS = [GLOBEX, ACME, INITECH, INITECH, ACME, GLOBEX]


def in_globex(function: Callable[..., Any], how: str) -> Callable[..., Any]:
    context = schema_context("default", "globex")
    if how == "decorated":
        return context(function)
    with context:
        return wrap_context(function)


@pytest.mark.parametrize("how", ["decorated", "wrapped"])
def test_contexts_within_a_generator(how: str) -> None:
    """What a generator makes active stays so in its next steps, in the same order, and is nobody else's in between."""
    log: list[object] = []
    with schema_context("shard2", "outside") as outside:
        seen = [(step, active_placement()) for step in in_globex(going_through, how)(log)]
        assert seen == [(step, outside) for step in STEPS]
        assert log == [ACME, GLOBEX]
        assert active_placement() == outside
    assert active_placement() is None


@pytest.mark.parametrize("how", ["decorated", "wrapped"])
def test_generator_that_is_closed_within_its_contexts(how: str) -> None:
    """Its clean-up runs in the contexts that it has entered, whoever closes it."""
    log: list[object] = []
    generator = in_globex(going_through, how)(log)
    for _ in range(5):
        next(generator)
    with schema_context("default", "acme"):
        generator.close()
        assert active_placement() == ACME
    assert log == [ACME, GLOBEX]


class Refusing(SyncAndAsync[None]):
    """A placement that cannot be entered any more once it is said to be gone."""

    def __init__(self) -> None:
        self.is_gone = False
        self._context = schema_context("default", "acme")

    def __enter__(self) -> None:
        if self.is_gone:
            raise LookupError("gone")
        self._context.__enter__()

    def __exit__(self, *args: Any) -> None:
        self._context.__exit__(*args)


def take_another(generator: Generator[object, object, str]) -> None:
    with pytest.raises(LookupError, match="gone"):
        next(generator)
    assert list(generator) == []


def throw_into(generator: Generator[object, object, str]) -> None:
    with pytest.raises(LookupError, match="gone"):
        generator.throw(KeyError("x"))


@pytest.mark.parametrize("end", [Generator.close, take_another, throw_into])
def test_generator_whose_context_refuses(end: Callable[[Generator[object, object, str]], None]) -> None:
    """It is cleaned up where nothing is active, whoever's placement it is closed in."""
    log: list[object] = []
    refusing = Refusing()
    generator = within(lambda: refusing, steps)(log)
    next(generator)
    refusing.is_gone = True
    with schema_context("default", "globex"):
        end(generator)
        assert active_placement() == GLOBEX
    assert log == [("closed", None)]


async def atake_another(generator: AsyncGenerator[object, object]) -> None:
    with pytest.raises(LookupError, match="gone"):
        await anext(generator)
    assert [each async for each in generator] == []


async def athrow_into(generator: AsyncGenerator[object, object]) -> None:
    with pytest.raises(LookupError, match="gone"):
        await generator.athrow(KeyError("x"))


@pytest.mark.parametrize("end", [AsyncGenerator.aclose, atake_another, athrow_into])
async def test_async_generator_whose_context_refuses(
    end: Callable[[AsyncGenerator[object, object]], Awaitable[None]],
) -> None:
    """The same, asynchronously."""
    log: list[object] = []
    refusing = Refusing()
    generator = within(lambda: refusing, asteps)(log)
    await anext(generator)
    refusing.is_gone = True
    with schema_context("default", "globex"):
        await end(generator)
        assert active_placement() == GLOBEX
    assert log == [("closed", None)]


def test_generator_whose_steps_others_take() -> None:
    """Each step may be taken by another thread."""
    generator = in_globex(going_through, "decorated")([])
    with ThreadPoolExecutor(1) as pool:
        assert [pool.submit(next, generator).result() if each % 2 else next(generator) for each in range(6)] == STEPS
        assert pool.submit(active_placement).result() is None


def test_generator_that_ends_what_was_begun_outside() -> None:
    """It is not active behind it, nor comes back with the next step."""

    def holding(schema: str) -> Generator[None, None, None]:
        with schema_context("default", schema):
            yield

    def ending() -> Iterator[Placement | None]:
        context = schema_context("default", "acme")
        context.__enter__()
        first.close()
        yield active_placement()
        yield active_placement()
        context.__exit__(None, None, None)
        yield active_placement()

    first, second = holding("globex"), holding("second")
    next(first)
    next(second)
    steps = schema_context("shard2", "initech")(ending)()
    second_one = Placement("default", "second")
    assert [(step, active_placement()) for step in steps] == [(ACME, second_one)] * 2 + [(INITECH, second_one)]
    second.close()
    assert active_placement() is None


@pytest.mark.parametrize("how", ["decorated", "wrapped"])
async def test_contexts_within_an_asynchronous_generator(how: str) -> None:
    """The same holds for these."""
    log: list[object] = []
    with schema_context("shard2", "outside") as outside:
        seen = [(step, active_placement()) async for step in in_globex(agoing_through, how)(log)]
        assert seen == [(step, outside) for step in STEPS]
        async with aclosing(in_globex(agoing_through, how)(log)) as generator:
            for _ in range(5):
                await anext(generator)
        assert active_placement() == outside
    assert log == [ACME, GLOBEX] * 2


def test_wrapped_function_leaves_other_variables_alone() -> None:
    """A context variable of somebody else's is seen and set as if the function were not wrapped."""
    variable = ContextVar("variable", default="before")
    with schema_context("default", "acme"):
        wrapped = wrap_context(lambda: variable.set("behind"))
    wrapped()
    assert variable.get() == "behind"


async def test_wrapped_coroutine_and_generator_functions() -> None:
    """They stay what they are, and see what was active across their suspensions."""

    async def look() -> Placement | None:
        await asyncio.sleep(0)
        return active_placement()

    def generate() -> Iterator[Placement | None]:
        yield active_placement()
        yield active_placement()

    with schema_context("default", "acme"):
        coroutine_function, generator_function = wrap_context(look), wrap_context(generate)
    assert iscoroutinefunction(coroutine_function)
    with schema_context("default", "globex"):
        assert await coroutine_function() == ACME
        assert [(step, active_placement()) for step in generator_function()] == [(ACME, GLOBEX)] * 2


class Letters:
    """An asynchronous iterator, and no generator."""

    def __init__(self) -> None:
        self.letters = iter("abc")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        for letter in self.letters:
            return letter
        raise StopAsyncIteration


def test_steps_of_what_is_no_generator() -> None:
    """Any iterator is gone through; it can be left in the middle, and what is thrown in comes out again."""
    entering = partial(schema_context, "default", "acme")
    assert list(steps_within(entering, iter("abc"))) == ["a", "b", "c"]
    body = steps_within(entering, iter("abc"))
    assert next(body) == "a"
    body.close()
    assert next(body, None) is None
    body = steps_within(entering, iter("abc"))
    assert next(body) == "a"
    with pytest.raises(KeyError):
        body.throw(KeyError("thrown in"))
    assert active_placement() is None


def test_steps_of_what_is_no_asynchronous_generator() -> None:
    """The same for an asynchronous one."""

    async def main() -> None:
        entering = partial(schema_context, "default", "acme")
        assert [letter async for letter in asteps_within(entering, Letters())] == ["a", "b", "c"]
        body = asteps_within(entering, Letters())
        assert await anext(body) == "a"
        await body.aclose()
        assert await anext(body, None) is None
        body = asteps_within(entering, Letters())
        assert await anext(body) == "a"
        with pytest.raises(KeyError):
            await body.athrow(KeyError("thrown in"))

    asyncio.run(main())
    assert active_placement() is None


def test_arguments_of_decorated_functions() -> None:
    """All kinds of functions are given what they are called with."""
    decorate = schema_context("default", "acme")

    @decorate
    def function(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    @decorate
    def generator(*args: int, **kwargs: int) -> Iterator[Any]:
        yield args, kwargs

    @decorate
    async def coroutine(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    @decorate
    async def asynchronous_generator(*args: int, **kwargs: int) -> AsyncIterator[Any]:
        yield args, kwargs

    async def main() -> list[Any]:
        return [await coroutine(1, b=2), *[found async for found in asynchronous_generator(1, b=2)]]

    found = [function(1, b=2), *generator(1, b=2), *asyncio.run(main())]
    assert found == [((1,), {"b": 2})] * 4


def test_what_is_innermost_is_not_entered_again() -> None:
    """Code that makes sure that a place is active leaves it alone where it is, by whichever alias."""
    with schema_context("default", "acme"):
        (alias,) = places.stack()
        for same in (alias, SchemaAlias("default", "acme", "tenant", "default")):
            with ensure_active(same):
                assert places.stack() == (alias,)
        with schema_context("default", "globex"), ensure_active(alias):
            assert active_placement() == ACME
    assert active_placement() is None


def test_threads_that_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app does not start where a new thread begins with what is active where it is started."""
    monkeypatch.setattr("django_schemas.ambient.flags", SimpleNamespace(thread_inherit_context=1))
    with pytest.raises(ConfigError, match="PYTHON_THREAD_INHERIT_CONTEXT=0"):
        apps.get_app_config("django_schemas").ready()


@pytest.mark.parametrize("flags", [{}, {"thread_inherit_context": 0}])
def test_threads_that_inherit_nothing(monkeypatch: pytest.MonkeyPatch, flags: dict[str, int]) -> None:
    """The app starts where Python says that they don't, and where it knows no such thing."""
    monkeypatch.setattr("django_schemas.ambient.flags", SimpleNamespace(**flags))
    apps.get_app_config("django_schemas").ready()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python's threads inherit nothing before 3.14")
@pytest.mark.parametrize(("flag", "refused"), [("1", True), ("0", False)])
def test_python_whose_threads_inherit(flag: str, refused: bool) -> None:
    """Python's own flag is what is looked at."""
    code = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_schemas"])
django.setup()
"""
    command = [sys.executable, "-X", f"thread_inherit_context={flag}", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ("ConfigError: Python's thread_inherit_context" in ended.stderr, ended.returncode) == (refused, int(refused))

"""What is active in a thread or a task, of any kind, and how it goes along with functions, generators and callbacks.

Held in a `ContextVar`, so that threads and asyncio tasks are kept apart. Placements are one kind (`context.py`);
packages built on this one have theirs.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial, update_wrapper, wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from itertools import takewhile
from sys import flags
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from .exceptions import ConfigError
from .importing import watch_imports

__all__ = [
    "Ambient",
    "Captured",
    "SyncAndAsync",
    "asteps_within",
    "refuse_inheritance",
    "steps_within",
    "within",
    "wrap_context",
]

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

Entering = Callable[[], AbstractContextManager[Any]]
"""Makes a new context manager each time it is called."""


@dataclass(frozen=True, slots=True)
class _Aside(Generic[_T]):
    """What is active outside of a wrapped function that runs, and what was active in its place when it began."""

    stack: tuple[_T, ...]
    instead: tuple[_T, ...]


class Ambient(Generic[_T]):
    """What is active in this thread or task: a stack of values, the innermost last.

    Leaving takes out the very entry that was put in, and does not put back what came before it: so contexts that end
    in another order than they began (interleaved generators), or in another task, neither end each other nor come back
    to life.
    """

    def __init__(self, name: str) -> None:
        self._stack: ContextVar[tuple[_T, ...]] = ContextVar(name, default=())
        self._aside: ContextVar[tuple[_Aside[_T], ...]] = ContextVar(f"{name}_aside", default=())
        _ambients.append(self)

    def stack(self) -> tuple[_T, ...]:
        """All active values, the innermost last."""
        return self._stack.get()

    def enter(self, value: _T) -> None:
        """Make a value the innermost."""
        self._stack.set((*self._stack.get(), value))

    def leave(self, value: _T) -> None:
        """Take out the innermost entry of this very object."""
        stack = self._stack.get()
        rest = _without(stack, value)
        self._stack.set(rest)
        aside = self._aside.get()
        if aside and (rest is stack or _times(rest, value) < _times(aside[-1].instead, value)):
            # A wrapped function ended what was begun outside of it: a generator that held a context was closed.
            self._aside.set(tuple(_Aside(_without(each.stack, value), _without(each.instead, value)) for each in aside))

    @contextmanager
    def instead(self, stack: tuple[_T, ...]) -> Iterator[None]:
        """Put these values in the place of those that are active, which come back behind the block."""
        self._aside.set((*self._aside.get(), _Aside(self._stack.get(), stack)))
        self._stack.set(stack)
        try:
            yield
        finally:
            *aside, former = self._aside.get()
            self._stack.set(former.stack)
            self._aside.set(tuple(aside))

    def put_back(self, values: tuple[_T, ...]) -> tuple[_T, ...]:
        """Make values that were taken away active again; what is active around them."""
        stack = self._stack.get()
        self._stack.set(stack + values)
        return stack

    def take_away(self, around: tuple[_T, ...]) -> tuple[_T, ...]:
        """Take out what was put in, and is still there, since these values were active; what that is."""
        stack = self._stack.get()
        # What was there before is still there in the same order, but for what was ended meanwhile.
        before = iter(around)
        kept = sum(1 for _ in takewhile(lambda entry: any(entry is each for each in before), stack))
        self._stack.set(stack[:kept])
        return stack[kept:]


_ambients: list[Ambient[Any]] = []
"""All that can be active: places, and whatever packages built on this one have."""


def _without(stack: tuple[_T, ...], value: _T) -> tuple[_T, ...]:
    """A stack without the innermost entry of this very object."""
    for index in range(len(stack) - 1, -1, -1):
        if stack[index] is value:
            return stack[:index] + stack[index + 1 :]
    return stack


def _times(stack: tuple[_T, ...], value: _T) -> int:
    """How often a stack has this very object."""
    return sum(entry is value for entry in stack)


class SyncAndAsync(ABC, Generic[_T]):
    """A context manager that does the same in `async with` as in `with`, and that decorates functions of any kind. It
    may be entered while it is entered.
    """

    @abstractmethod
    def __enter__(self) -> _T: ...

    @abstractmethod
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> _T:
        return self.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: _F) -> _F:
        """Decorate a function."""
        return within(lambda: self, function)


def refuse_inheritance() -> None:
    """Raise ConfigError if new threads begin with what is active where they are started, as Python 3.14 can have it.

    The thread of a pool that is started within one request would keep what is active there, for the work of others.
    """
    if getattr(flags, "thread_inherit_context", 0):
        raise ConfigError(
            "Python's thread_inherit_context is on, as it is by default in free-threaded builds: a thread of a pool "
            "would go on in the schema that it was started in, with work of others. Start Python with "
            "PYTHON_THREAD_INHERIT_CONTEXT=0 or -X thread_inherit_context=0."
        )


def wrap_context(function: _F) -> _F:
    """Wrap a function, so that wherever it is called it runs with what is active here, and with nothing else.

    A new thread begins with nothing active: `pool.submit(wrap_context(work), item)` takes along the active placements
    and the current tenant. `transaction.on_commit` does so by itself.

    Args:
        function: what to wrap; a coroutine function or a generator function too.
    """
    return within(_remembered(), function)


class Captured:
    """A callback that runs with what was active where it was made, and is equal to the function it was made of."""

    def __init__(self, function: Callable[[], object]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._entering = _remembered()

    def __call__(self) -> None:
        """Call the function."""
        with self._entering():
            self._function()

    def __eq__(self, other: object) -> bool:
        return self._function == (other._function if isinstance(other, Captured) else other)

    def __hash__(self) -> int:
        return hash(self._function)

    def __repr__(self) -> str:
        # Django logs it where the function has no name.
        return repr(self._function)


def _remembered() -> Entering:
    """Remember what is active; the result makes contexts in which that is active, and nothing else.

    Other context variables are left alone: that a callback has written to a database must be known behind it.
    """
    return partial(_only, [(ambient, ambient.stack()) for ambient in _ambients])


@contextmanager
def _only(stacks: list[tuple[Ambient[Any], tuple[Any, ...]]]) -> Iterator[None]:
    watch_imports()
    with ExitStack() as exits:
        for ambient, stack in stacks:
            exits.enter_context(ambient.instead(stack))
        yield


def within(entering: Entering, function: _F) -> _F:
    """Wrap a function, a coroutine function or a generator function, so that it runs within a context.

    Args:
        entering: makes the context; called at each call, and at each step of a generator.
        function: what to wrap.
    """
    wrapper: Callable[..., Any]
    if isgeneratorfunction(function):

        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            return steps_within(entering, function(*args, **kwargs))

    elif isasyncgenfunction(function):

        def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            return asteps_within(entering, function(*args, **kwargs))

    elif iscoroutinefunction(function):

        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with entering():
                return await cast(Coroutine[Any, Any, Any], function(*args, **kwargs))

    else:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with entering():
                return function(*args, **kwargs)

    return cast(_F, wraps(function)(wrapper))


class _Steps:
    """The steps of a generator: each is taken within a context, and in that within what the steps before it have made
    active and left so. Between the steps that is nobody else's.

    Args:
        entering: makes the context.
    """

    def __init__(self, entering: Entering) -> None:
        self._entering = entering
        self._own: dict[Ambient[Any], tuple[Any, ...]] = {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """The context of one step."""
        with self._entering():
            around = [(ambient, ambient.put_back(self._own.get(ambient, ()))) for ambient in _ambients]
            try:
                yield
            finally:
                self._own = {ambient: ambient.take_away(stack) for ambient, stack in around}

    @contextmanager
    def last(self) -> Iterator[None]:
        """The context of the step that closes; nothing is active in it where the context itself refuses."""
        with ExitStack() as exits:
            try:
                exits.enter_context(self.step())
            except Exception:
                exits.enter_context(_only([(ambient, ()) for ambient in _ambients]))
            yield


def steps_within(entering: Entering, iterator: Iterator[Any]) -> Generator[Any, Any, Any]:
    """Iterate within a context during each step, and out of it between the steps."""
    steps = _Steps(entering)
    step: Callable[[], Any] = partial(next, iterator)
    try:
        while True:
            with steps.step():
                try:
                    item = step()
                except StopIteration as stop:
                    return stop.value
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as exc:
                if not isinstance(iterator, Generator):
                    raise
                step = partial(iterator.throw, exc)
            else:
                step = partial(next, iterator) if sent is None else partial(cast(Any, iterator).send, sent)
    except BaseException:
        # The garbage collector may be who closes this, at any moment. Up to Python 3.11 that can be in the middle of
        # setting a context variable, which another setting in the same context would break: so in a copy of it.
        copy_context().run(_close_within, steps, iterator)
        raise


def _close_within(steps: _Steps, iterator: Iterator[Any]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        with steps.last():
            close()


async def asteps_within(entering: Entering, iterator: AsyncIterator[Any]) -> AsyncGenerator[Any, Any]:
    """Iterate asynchronously within a context during each step, and out of it between the steps."""
    steps = _Steps(entering)
    step: Callable[[], Any] = partial(anext, iterator)
    try:
        while True:
            with steps.step():
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as exc:
                if not isinstance(iterator, AsyncGenerator):
                    raise
                step = partial(iterator.athrow, exc)
            else:
                step = partial(anext, iterator) if sent is None else partial(cast(Any, iterator).asend, sent)
    except BaseException:
        if isinstance(iterator, AsyncGenerator):
            with steps.last():
                await iterator.aclose()
        raise

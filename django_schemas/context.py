"""The active placement: which schema of an environment is meant when nothing else says so.

Entered and left by `schema_context`. Nothing here touches a connection.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any

from .alias import SchemaAlias
from .ambient import Ambient, SyncAndAsync
from .environments import alias_for
from .environments import environment as declared
from .importing import watch_imports
from .placement import Placement

__all__ = [
    "activate",
    "active_alias",
    "active_placement",
    "ensure_active",
    "is_innermost",
    "places",
    "schema_context",
]


class _Places(Ambient[SchemaAlias]):
    """The stack of active places."""

    def enter(self, value: SchemaAlias) -> None:
        watch_imports()
        self._stack.set((*self._stack.get(), value))


places: Ambient[SchemaAlias] = _Places("django_schemas_places")
"""The active places."""


def active_alias(environments: tuple[str, ...], db: str | None = None) -> SchemaAlias | None:
    """The innermost active place of any of these environments; only one on that database, if a database is named."""
    for alias in reversed(places.stack()):
        if alias.environment in environments and (db is None or alias.db == db):
            return alias
    return None


def active_placement(environment: str | None = None) -> Placement | None:
    """The active placement of an environment, or the innermost of all if none is named.

    Raises:
        ConfigError: the environment is not declared.
    """
    if environment is None:
        stack = places.stack()
        return stack[-1].placement if stack else None
    alias = active_alias((declared(environment).name,))
    return alias.placement if alias else None


@contextmanager
def activate(alias: SchemaAlias) -> Iterator[SchemaAlias]:
    """Make a place active, for code that has its alias already."""
    places.enter(alias)
    try:
        yield alias
    finally:
        places.leave(alias)


def is_innermost(alias: SchemaAlias) -> bool:
    """Tell whether a place is the innermost active one."""
    stack = places.stack()
    return bool(stack) and stack[-1].same_place(alias)


def ensure_active(alias: SchemaAlias) -> AbstractContextManager[Any]:
    """A context in which a place is the innermost active one: nothing to do if it is that already."""
    return _NOTHING if is_innermost(alias) else activate(alias.primary)


_NOTHING: AbstractContextManager[Any] = nullcontext()


class schema_context(SyncAndAsync[Placement]):
    """Make a placement active: as a context manager or as a decorator, sync or async.

    It nests, may be entered while it is entered, and may be shared by threads and tasks. As a decorator of a generator
    function it is active during each step and not between the steps, and so is what the generator enters itself; a
    `with` inside any other generator stays active while that is suspended, for whoever goes on with it.

    Args:
        db: alias of a writable database.
        schema: name of the schema. Whether it exists is not looked up: the first query tells.
        environment: may be left out where the database hosts one multi-schema environment.

    Raises:
        ConfigError: the database hosts no such environment, or it is not clear which is meant.
        InvalidSchemaName: the name breaks the rules for schema names.
    """

    def __init__(self, db: str, schema: str, environment: str | None = None) -> None:
        self._alias = alias_for(db, schema, None if environment is None else (declared(environment).name,))

    def __enter__(self) -> Placement:
        places.enter(self._alias)
        return self._alias.placement

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        places.leave(self._alias)

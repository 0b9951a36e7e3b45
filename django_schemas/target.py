"""The target: what is being migrated just now, for the router and the schema editor to ask.

Set by the migrator for the time of a run; a `ContextVar`, so that several threads can migrate several schemas.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .alias import SchemaAlias

__all__ = ["Target", "migrating", "records_unread", "target_is", "unread"]


@dataclass(frozen=True, slots=True)
class Target:
    """What is migrated.

    Attributes:
        db: alias of the writable database.
        alias: the schema, or None for the models of no environment.
        search_path: schemas that unqualified names in migrations are looked up in, the schema first; empty if None.
    """

    db: str
    alias: SchemaAlias | None = None
    search_path: tuple[str, ...] = ()

    @property
    def environment(self) -> str | None:
        """Name of the environment, or None."""
        return self.alias.environment if self.alias is not None else None


_target: ContextVar[Target | None] = ContextVar("django_schemas_target", default=None)


def migrating(db: str | None = None) -> Target | None:
    """The target of the run that this code is part of; only on that database, if one is named."""
    target = _target.get()
    return target if target is None or db is None or target.db == db else None


@contextmanager
def target_is(target: Target) -> Iterator[None]:
    """Make a target the one being migrated."""
    token = _target.set(target)
    try:
        yield
    finally:
        _target.reset(token)


_unread: ContextVar[bool] = ContextVar("django_schemas_unread", default=False)


def unread() -> bool:
    """Whether Django is to leave alone the records of migrations of databases that host environments."""
    return _unread.get()


@contextmanager
def records_unread() -> Iterator[None]:
    """Keep Django from reading records of migrations where it would look for them, which is in `public` alone."""
    token = _unread.set(True)
    try:
        yield
    finally:
        _unread.reset(token)

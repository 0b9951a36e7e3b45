"""The shelf: where blueprints are kept for other processes, by what they follow from.

This package has no tables: who has, `tenancy` for one, puts them there by `shelf.use`. A blueprint follows from the
operations of the migrations, whatever settings they were made of, and from the versions of Django and PostgreSQL.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from inspect import isclass, isroutine
from typing import Any, Protocol

import django
from django.db import connections
from django.db.models import Field
from django.utils.functional import Promise

from .blueprint import Blueprint, dumps, loads
from .citus import has_citus
from .course import Course
from .environments import environment
from .target import Target

__all__ = ["Shelf", "Store", "key_of", "major_version", "shelf"]

_FORMAT = 2
"""Of blueprints; another number makes those that were kept worthless."""


class Store(Protocol):
    """Keeps texts."""

    def get(self, key: str) -> str | None:
        """The text of a key; None if there is none, or it can't be had."""

    def put(self, key: str, environment: str, text: str) -> None:
        """Keep a text. Its failure does no harm."""


class Shelf:
    """Keeps blueprints, if there is somebody who keeps texts."""

    def __init__(self) -> None:
        self._store: Store | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything is kept."""
        return self._store is not None

    def use(self, store: Store | None) -> None:
        """Say who keeps."""
        self._store = store

    def get(self, key: str) -> Blueprint | None:
        """A blueprint that was kept."""
        text = self._store.get(key) if self._store else None
        return None if text is None else loads(text)

    def put(self, key: str, environment: str, blueprint: Blueprint) -> None:
        """Keep a blueprint."""
        if self._store:
            self._store.put(key, environment, dumps(blueprint))


shelf = Shelf()
"""The process's."""


def key_of(course: Course, target: Target) -> str:
    """What a blueprint of a course, for schemas in a target's database, is kept by: a digest of all it follows from."""
    assert target.environment is not None
    facts = (
        _FORMAT,
        django.VERSION,
        major_version(target.db),
        repr(environment(target.environment)),
        [
            (step.app_label, step.name, step.atomic, step.replaces, [described(each) for each in step.operations])
            for step, _ in course.steps
        ],
        # What Citus has made otherwise.
        *(("citus",) if has_citus(connections[target.db]) else ()),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def major_version(db: str) -> int:
    """The version of PostgreSQL that a database is in: 15, for example."""
    connection: Any = connections[db]
    return int(connection.pg_version // 10000)


def described(value: Any) -> Any:
    """What a migration, or something in it, is made of, so that it is equal in every process."""
    if isinstance(value, str | bytes | int | float | type(None)):
        return value
    if isinstance(value, Promise):
        return str(value)
    # A field that has `__get__` looks like a routine.
    if isclass(value) or (isroutine(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Mapping):
        return [(described(key), described(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return [described(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(described, value)))
    if isinstance(value, Field):
        # Without its name, which stands beside it: Django puts it in, or does not, as states are asked for relations.
        return described(type(value)), described(value.deconstruct()[1:])
    deconstruct: Callable[[], tuple[Any, ...]] | None = getattr(value, "deconstruct", None)
    if deconstruct is not None:
        return described(type(value)), described(deconstruct())
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))

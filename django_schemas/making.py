"""Making: a schema that is not there yet, with all that is in it. The first of its kind that a process makes goes the
long way, by migrations, and is taken down; those that follow are made by that blueprint.

It is one transaction if all migrations can be in one. If it fails, there is no schema.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from os import stat
from os.path import exists
from secrets import token_hex
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from .alias import SchemaAlias
from .announcing import import_management_modules
from .blueprint import Blueprint, Recording, build
from .citus import has_citus
from .context import activate
from .course import Course
from .environments import alias_for, environment
from .executor import Executor, Progress, Recorder
from .folding import SCRATCH
from .history import History, Point, points_of, refuse_gaps, refuse_unknown
from .membership import app_labels_of
from .plans import Plan, plan_of, run_plan, target_of, unmigrated_models
from .records import Key
from .schemas import drop_schema, make_schema
from .shelf import key_of, major_version, shelf
from .target import Target, target_is

__all__ = ["SCRATCH", "blueprint_of", "make", "on_scratch", "state_key"]

_T = TypeVar("_T")


@dataclass
class _Beginning:
    """What all schemas share that are made with the same migrations.

    Attributes:
        history: the project's migrations, none of them recorded.
        plan: what is done to each.
        blueprint: by which they are made; None if there is none yet.
        spare: courses that no thread follows just now: what they remember is of one schema at a time.
        key: what the blueprint is kept by, once it is known.
    """

    history: History
    plan: Plan
    blueprint: Blueprint | None = None
    spare: list[Course] = field(default_factory=list)
    key: str = ""

    @contextmanager
    def course(self) -> Iterator[Course]:
        """The way there, for one thread."""
        course = self.spare.pop() if self.spare else self.new_course()
        yield course
        self.spare.append(course)

    def find(self, course: Course, target: Target) -> Blueprint | None:
        """The blueprint: this process's, or one that another has kept."""
        if self.blueprint is None and shelf.is_there:
            self.blueprint = shelf.get(self.key_of(course, target))
        return self.blueprint

    def key_of(self, course: Course, target: Target) -> str:
        """What the blueprint is kept by."""
        self.key = self.key or key_of(course, target)
        return self.key

    def keep(self, blueprint: Blueprint | None, course: Course, target: Target) -> None:
        """Have this process, and others, make the next ones by a blueprint."""
        self.blueprint = blueprint
        if blueprint is not None and shelf.is_there:
            shelf.put(self.key_of(course, target), target.alias.environment if target.alias else "", blueprint)

    def new_course(self) -> Course:
        """The way there."""
        before = ProjectState(real_apps=self.history.unmigrated_apps)
        return Course(self.history, self.plan.sequence, before, kept=False)


def make(
    target: Target,
    targets: Sequence[Point] | None,
    like: Sequence[Key] | None,
    *,
    owner: str | None,
    blueprint: bool,
    kept: bool,
    lock_timeout: str | None,
    progress: Progress | None,
    **options: Any,
) -> Plan | None:
    """Make a schema and what is in it; arguments as of `migrator.migrate_target`.

    If it goes the long way, and what is taken down is to be `kept`, others are made by that.

    Returns:
        What was done; None if another process made the schema in the meantime.
    """
    alias = target.alias
    assert alias is not None
    beginning = _beginning(target, targets, like)
    plan = replace(beginning.plan, target=target)
    with _schema_made(alias, plan, owner) as made, beginning.course() as course:
        if not made:
            return None
        if plan.unmigrated or not course.is_plain or environment(alias.environment).single_schema:
            # What is made once needs no blueprint.
            executor = Executor(target, progress, lock_timeout, beginning.history)
            executor.recorder.ensure_schema()
            run_plan(executor, plan, options)
        elif blueprint and (found := beginning.find(course, target)) is not None:
            build(found, course, target, lock_timeout=lock_timeout, progress=progress, **options)
        else:
            recording = Recording(target)
            with recording.listening():
                Recorder(target).ensure_schema()
            course.follow(target, lock_timeout=lock_timeout, progress=progress, tape=recording, **options)
            if kept:
                beginning.keep(recording.blueprint(), course, target)
    return plan


def blueprint_of(db: str, environment: str, *, renew: bool = False) -> Blueprint | None:
    """The blueprint of an environment at its newest migrations, for a database; it is made if need be.

    Args:
        db: alias of the database, in which a schema is made for it, and is gone afterwards.
        environment: name of the environment.
        renew: make it even if there is one.

    Returns:
        None, if there can be none: an app has no migrations, or a migration class runs in a way of its own.
    """
    alias = alias_for(db, f"{SCRATCH}{token_hex(8)}", (environment,))
    target = target_of(alias)

    def found() -> Blueprint | None:
        beginning = _beginning(target, None, None)
        with target_is(target), beginning.course() as course:
            return beginning.find(course, target)

    blueprint = None if renew else found()
    return blueprint or on_scratch(db, environment, lambda _: found(), kept=True)


def state_key(db: str, environment: str) -> str:
    """What tells schemas that are made now from those that other migrations, or other versions, made."""
    target = target_of(alias_for(db, SCRATCH, (environment,)))
    beginning = _beginning(target, None, None)
    with target_is(target), beginning.course() as course:
        return beginning.key_of(course, target)


def on_scratch(
    db: str,
    environment: str,
    look: Callable[[SchemaAlias], _T],
    points: Sequence[Point] | None = None,
    *,
    kept: bool = False,
) -> _T:
    """Make a schema the long way, by migrations, look at it, and have it gone.

    Args:
        db: alias of the database.
        environment: name of the environment.
        look: called with the schema; its result is returned.
        points: where it is to be; at the newest migrations if None.
        kept: whether others are to be made by what is taken down.
    """
    alias = alias_for(db, f"{SCRATCH}{token_hex(8)}", (environment,))
    target = target_of(alias)
    options = {"verbosity": 0, "interactive": False, "stdout": sys.stdout}

    def made() -> _T:
        with target_is(target), activate(alias):
            make(
                target,
                points,
                None,
                owner=None,
                blueprint=False,
                kept=kept,
                lock_timeout=None,
                progress=None,
                **options,
            )
        return look(alias)

    import_management_modules()
    if all(migration.atomic for migration, _ in _beginning(target, points, None).plan.steps):
        with transaction.atomic(using=db):
            found = made()
            transaction.set_rollback(True, using=db)
        return found
    try:
        return made()
    finally:
        drop_schema(db, alias.schema)


@contextmanager
def _schema_made(alias: SchemaAlias, plan: Plan, owner: str | None) -> Iterator[bool]:
    """Make the schema, and tell whether it was made now; if the block fails, have it not there."""
    if all(migration.atomic for migration, _ in plan.steps):
        with transaction.atomic(using=alias.db):
            yield make_schema(alias, owner)
    else:
        made = make_schema(alias, owner)
        try:
            yield made
        except BaseException:
            if made:
                drop_schema(alias.db, alias.schema)
            raise


_known: dict[Any, _Beginning] = {}
_MOST = 8
"""How many beginnings are remembered: clones may be made at other points than new schemas."""


def _beginning(target: Target, targets: Sequence[Point] | None, like: Sequence[Key] | None) -> _Beginning:
    key = (
        target.environment,
        major_version(target.db),
        has_citus(connections[target.db]),
        None if targets is None else tuple(targets),
        None if like is None else tuple(like),
        _surroundings(target),
    )
    found = _known.get(key)
    if found is None:
        history = History(target, like or ())
        points = targets
        if like is not None:
            refuse_unknown(history, like)
            refuse_gaps(history)
            points = points_of(history)
            history.forget_records()
        executor = Executor(target, history=history)
        plan = plan_of(executor, points, syncdb=False)
        if targets is None:
            plan = replace(plan, unmigrated=unmigrated_models(executor))
        found = _Beginning(history, plan)
        while len(_known) >= _MOST:
            _known.pop(next(iter(_known)), None)
        _known[key] = found
    return found


def _surroundings(target: Target) -> tuple[Any, ...]:
    """What makes other schemas, and may change while a process runs, in tests for example: where migrations are."""
    assert target.environment is not None
    return environment(target.environment), tuple(map(_migrations_at, sorted(app_labels_of(target.environment))))


def _migrations_at(app_label: str) -> tuple[Any, ...]:
    """Where an app's migrations are, and when one was last added or taken away."""
    name, _ = MigrationLoader.migrations_module(app_label)
    paths = []
    if name is not None:
        with suppress(ModuleNotFoundError):
            paths = list(getattr(import_module(name), "__path__", ()))
    return name, tuple((path, stat(path).st_mtime_ns) for path in paths if exists(path))

"""Blueprints: the statements that make a schema of an environment at some points of its migrations, to be sent at once.

They are taken down while migrations make a schema the long way, so the schema that they make is the same, to the last
name. What must run live does: RunPython of the project's, operations and receivers that are not Django's own,
migrations that can't be in a transaction. What Django's own code writes goes by the rows that it finds, so it is
taken down only where nothing of the project's ran before, or played only where the rows are as they were then.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import groupby, takewhile
from typing import Any, NamedTuple

from django.db import connections, router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunPython
from django.db.migrations.operations.base import Operation

from .caches import forget, forget_historic
from .citus import has_citus
from .context import activate
from .course import Course
from .declarative import is_by_hand, is_declarative
from .executor import Progress
from .folding import folded
from .hearing import joined
from .identifiers import quote
from .legs import Leg, Move, editing, run_leg
from .membership import app_labels_of
from .records import Key, insert_records
from .references import send_script
from .schemas import local_lock_timeout
from .search_path import local_search_path
from .settling import checking, settling
from .target import Target, target_is

__all__ = ["Blueprint", "Part", "Recording", "build", "dumps", "loads"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a blueprint.

    Attributes:
        kind: `script`: statements; `live`: an operation that is run; `migration`: a whole one that is run;
            `receivers`: what Django's own receivers of post_migrate do.
        app, name: of the migration.
        number: of the operation, in the order of that migration.
        sql: the statements.
        done: migrations that are complete behind it.
        rows: a digest of the rows that the statements go by; empty if they need not be looked at.
    """

    kind: str
    app: str = ""
    name: str = ""
    number: int = 0
    sql: str = ""
    done: tuple[Key, ...] = ()
    rows: str = ""

    @property
    def key(self) -> Key:
        """The migration."""
        return self.app, self.name

    @property
    def where(self) -> tuple[Key, int]:
        """The operation."""
        return self.key, self.number


Blueprint = tuple[Part, ...]
"""The parts, in their order."""


def dumps(blueprint: Blueprint) -> str:
    """A blueprint as text, to be kept."""
    return json.dumps([asdict(part) for part in blueprint])


def loads(text: str) -> Blueprint:
    """The blueprint of such a text."""
    return tuple(Part(**{**part, "done": tuple(map(tuple, part["done"]))}) for part in json.loads(text))


class _Sent(NamedTuple):
    """A statement that was sent.

    Attributes:
        sql: the statement.
        folds: whether it says of structure what will be read from the catalog, or records migrations.
        records: what it records.
    """

    sql: str
    folds: bool = False
    records: tuple[Key, ...] = ()


class Recording:
    """Takes down what is sent while a schema is made; a `Tape` of `Course.follow`.

    It begins with the schema that is made and empty, and what its table of records is made by.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.connection: Any = connections[target.db]
        self.parts: list[Part] = []
        self._sent: list[_Sent] = []
        self._first: list[_Sent] = []
        self._done: list[Key] = []
        self._whole = self._rows_written = self._ran_live = False

    def blueprint(self) -> Blueprint | None:
        """What was taken down; None if it names the very schema that it was taken down in."""
        self._cut()
        own = quote(self.target.search_path[0])
        if any(own in part.sql for part in self.parts):
            return None
        if self.parts and self.parts[0].kind == "script":
            self.parts[0] = replace(self.parts[0], sql=joined(self._folded()))
        return tuple(self.parts)

    def _folded(self) -> Iterator[str]:
        """The first script, in which structure that is altered before any rows are written is made at once."""
        plain = list(takewhile(lambda sent: sent.folds, self._first))
        records = [record for sent in plain for record in sent.records]
        if records:
            written = self._composed(*insert_records(records))
            yield from folded(self.target, [sent.sql for sent in plain if not sent.records], [written])
        else:
            yield from (sent.sql for sent in plain)
        yield from (sent.sql for sent in self._first[len(plain) :])

    def listening(self) -> AbstractContextManager[None]:
        """Take down what schema editors send on this connection."""
        return self._heard_by(lambda sql: self._sent.append(_Sent(sql, folds=True)))

    @contextmanager
    def leg(self, leg: Leg) -> Iterator[None]:
        """Take down a migration."""
        key = leg.migration.app_label, leg.migration.name
        before = len(self.parts), list(self._sent), list(self._done), self._first
        self._whole = not leg.migration.atomic
        self._rows_written = False
        with self.listening():
            yield
        if self._whole:
            del self.parts[before[0] :]
            _, self._sent, self._done, self._first = before
            self._cut()
            self.parts.append(Part("migration", *key, done=(key,)))
            self._ran_live = True
            return
        if self._rows_written:
            # A later migration may alter a table whose deferred constraints this one's rows would still wait for.
            self._sent += map(_Sent, checking(self.connection))
        written = self._composed(*insert_records(leg.records))
        self._sent.append(_Sent(written, folds=True, records=tuple(leg.records)))
        self._done.append(key)

    @contextmanager
    def move(self, leg: Leg, number: int, editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
        """Take down an operation, or that it is to be run."""
        operation = leg.moves[number][0]
        if is_declarative(operation):
            if not is_by_hand(operation):
                yield
                return
            self._rows_written = True
            with self._heard_by(lambda sql: self._sent.append(_Sent(sql))):
                yield
        elif _is_djangos(operation) and not self._ran_live:
            before = len(self._sent)
            with self._rows():
                yield
            self._rows_written |= len(self._sent) != before
        elif _is_elsewhere(operation, leg.migration.app_label, self.target):
            yield
        else:
            put_off = len(editor.deferred_sql)
            with self._heard_by(None):
                yield
            # What it put off can't be told from what others did.
            self._whole |= len(editor.deferred_sql) != put_off
            self._cut()
            self.parts.append(Part("live", leg.migration.app_label, leg.migration.name, number))
            self._ran_live = True

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Take down what Django's own receivers do."""
        if not self._ran_live:
            with self._rows():
                yield
            return
        self._cut()
        rows = _digest(self.target)
        with self._rows():
            yield
        self.parts.append(Part("receivers", sql=joined(sent.sql for sent in self._sent), rows=rows))
        self._sent.clear()

    @contextmanager
    def _heard_by(self, listener: Callable[[str], None] | None) -> Iterator[None]:
        former, self.connection.listener = self.connection.listener, listener
        try:
            yield
        finally:
            self.connection.listener = former

    @contextmanager
    def _rows(self) -> Iterator[None]:
        """Take down the rows that are written; what found none to change will find none the next time."""

        def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            done = execute(sql, params, many, context)
            if sql.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE") and (many or context["cursor"].rowcount):
                self._sent.extend(_Sent(self._composed(sql, each)) for each in (params if many else [params]))
            return done

        with self.connection.execute_wrapper(note):
            yield

    def _cut(self) -> None:
        """End a script."""
        if self._sent or self._done:
            self._first = self._first or list(self._sent)
            self.parts.append(Part("script", sql=joined(sent.sql for sent in self._sent), done=tuple(self._done)))
            self._sent.clear()
            self._done.clear()

    def _composed(self, sql: str, params: Any) -> str:
        return str(self.connection.ops.compose_sql(sql, params))


def _quietly(*args: Any) -> None:
    """Tell nobody."""


def build(
    blueprint: Blueprint,
    course: Course,
    target: Target,
    *,
    lock_timeout: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> None:
    """Make what is in a schema, which is there and is empty.

    Args:
        blueprint: taken down of this course.
        course: from no records to where the schema is to be.
        target: the schema.
        lock_timeout: how long to wait for a table of another schema that is referred to; the server's setting if None.
        progress: told of each migration; of those that one script runs, of the first before it is sent.
        options: for receivers of pre_migrate and post_migrate: verbosity, interactive, stdout.
    """
    alias = target.alias
    assert alias is not None
    tell = progress or _quietly
    builder = _Builder(blueprint, course, target, options)
    with target_is(target), activate(alias):
        course.announced(target, **options)
        for atomic, parts in groupby(blueprint, builder.is_atomic):
            with _placed(target, lock_timeout) if atomic else nullcontext():
                for part in parts:
                    told = [builder.migrations[key] for key in part.done]
                    for migration in told[:1]:
                        tell("apply_start", migration, False)
                    builder.do(part)
                    for number, migration in enumerate(told):
                        if number:
                            tell("apply_start", migration, False)
                        tell("apply_success", migration, False)
        course.arrive(target, () if builder.received else course.changed, placed=False, **options)
        forget(alias.db, alias.schema)


@contextmanager
def _placed(target: Target, lock_timeout: str | None) -> Iterator[None]:
    with (
        local_search_path(connections[target.db], target.search_path, savepoint=False),
        local_lock_timeout(target.db, lock_timeout),
    ):
        yield


class _Builder:
    """Does the parts of a blueprint, one after the other."""

    def __init__(self, blueprint: Blueprint, course: Course, target: Target, options: dict[str, Any]) -> None:
        self.course, self.target, self.options = course, target, options
        self.connection: Any = connections[target.db]
        self.migrations = {(step.app_label, step.name): step for step, _ in course.steps}
        self.received = blueprint[-1].kind != "migration"
        wanted = [part.where for part in blueprint if part.kind == "live"]
        for part in blueprint:
            if part.kind == "migration":
                wanted += [(part.key, number) for number in range(len(self.migrations[part.key].operations))]
        self.moves: Mapping[tuple[Key, int], Move] = course.states_at(frozenset(wanted)) if wanted else {}

    def is_atomic(self, part: Part) -> bool:
        """Whether a part can be in a transaction."""
        return part.kind != "migration" or bool(self.migrations[part.key].atomic)

    def do(self, part: Part) -> None:
        """Do a part, in the schema that is looked into."""
        if part.kind == "live":
            self._run(part)
        elif part.kind == "migration":
            self._migrate(part)
        elif part.rows and part.rows != _digest(self.target):
            self.course.arrive(self.target, self.course.changed, placed=True, others=False, **self.options)
        elif part.sql:
            send_script(self.connection, part.sql)

    def _run(self, part: Part) -> None:
        operation, before, after = self.moves[part.where]
        with settling(self.connection, rows_wait=True), self.connection.schema_editor() as editor:
            operation.database_forwards(part.app, editor, before, after)
        self.connection.check_constraints()
        forget_historic(before.apps)

    def _migrate(self, part: Part) -> None:
        migration = self.migrations[part.key]
        moves = [self.moves[part.key, number] for number in range(len(migration.operations))]
        leg = Leg(migration, moves, self.course.records_of(migration))
        with editing(self.target, migration) as editor:
            run_leg(leg, editor)
            with self.connection.cursor() as cursor:
                cursor.execute(*insert_records(leg.records))
        for _, before, _ in moves:
            forget_historic(before.apps)


def _is_djangos(operation: Operation) -> bool:
    """Tell whether an operation runs code of Django's own, which goes by nothing but the rows of the schema."""
    return isinstance(operation, RunPython) and (operation.code.__module__ or "").startswith("django.")


def _is_elsewhere(operation: Operation, app_label: str, target: Target) -> bool:
    """Tell whether an operation does nothing here, since its hints say that it is another environment's."""
    return isinstance(operation, RunPython) and not router.allow_migrate(target.db, app_label, **operation.hints)


def _digest(target: Target) -> str:
    """What the rows are that Django's own receivers go by, and which keys they would get."""
    labels = app_labels_of(target.environment)
    tables = [table for label, table in _GONE_BY.items() if label in labels]
    if not tables:
        return "-"
    each = [
        expression
        for table in tables
        for expression in (
            f"(SELECT coalesce(string_agg({table}::text, ',' ORDER BY id), '') FROM {table})",
            f"pg_sequence_last_value(pg_get_serial_sequence('{table}', 'id')::regclass)",
        )
    ]
    with connections[target.db].cursor() as cursor:
        if has_citus(connections[target.db]):
            # The rows are on a worker, and the sequences are not.
            found = []
            for expression in each:
                cursor.execute(f"SELECT md5(({expression})::text)")
                found += cursor.fetchone()
            return ",".join(map(str, found))
        cursor.execute(f"SELECT md5(ROW({', '.join(each)})::text)")
        return str(cursor.fetchone()[0])


_GONE_BY = {"contenttypes": "django_content_type", "auth": "auth_permission"}

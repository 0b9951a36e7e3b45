"""Legs: a migration on the way of schemas, and how it is run in one of them.

Operations look at the schema they run in, so what they do is what Django does: names that differ from schema to schema
are found.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, Protocol

from django.db import connections, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .executor import lock_named, outside_transaction
from .hearing import Heard
from .records import Key
from .schemas import local_lock_timeout, lock_refused
from .search_path import begin, local_search_path
from .settling import settling
from .target import Target

__all__ = ["Leg", "Move", "Tape", "begin_in", "editing", "run_leg"]

Move = tuple[Operation, ProjectState, ProjectState]
"""An operation, with the project's state before it and behind it."""


class Leg(NamedTuple):
    """A migration on the way.

    Attributes:
        migration: which.
        moves: its operations, each with the project's state before it and behind it.
        records: what is recorded for it: itself, or what it was squashed from.
        heard: what schemas were sent that followed before; None if none follows behind.
    """

    migration: Migration
    moves: Sequence[Move]
    records: Sequence[Key]
    heard: Heard | None = None


class Tape(Protocol):
    """What listens while a schema is brought along, to play it to others: see `blueprint`."""

    def leg(self, leg: Leg) -> AbstractContextManager[None]:
        """Entered around a migration, until it is recorded."""

    def move(self, leg: Leg, number: int, editor: BaseDatabaseSchemaEditor) -> AbstractContextManager[None]:
        """Entered around an operation of that migration."""

    def arrival(self) -> AbstractContextManager[None]:
        """Entered around what Django's own receivers of post_migrate do."""


@contextmanager
def editing(
    target: Target, migration: Migration, lock_timeout: str | None = None, wait: bool = True
) -> Iterator[BaseDatabaseSchemaEditor]:
    """What a migration is run by: in its transaction, if it can be in one, with the schema locked and looked into."""
    alias = target.alias
    assert alias is not None
    connection = connections[alias.db]
    if not migration.atomic:
        with (
            outside_transaction(alias, migration, target.search_path, wait=wait),
            connection.schema_editor(atomic=False) as editor,
        ):
            yield editor
        return
    with lock_named(alias, migration):
        if not connection.in_atomic_block:
            with connection.schema_editor() as editor:
                begin_in(target, lock_timeout, wait)
                yield editor
            return
        with local_search_path(connection, target.search_path):
            begin_in(target, None, wait)
            with local_lock_timeout(alias.db, lock_timeout), settling(connection), connection.schema_editor() as editor:
                yield editor
            # The next migration may alter a table whose deferred constraints this one's rows still wait for.
            connection.check_constraints()


def begin_in(target: Target, lock_timeout: str | None, wait: bool) -> None:
    """Begin in a transaction: with the schema locked and looked into.

    Args:
        target: the schema.
        lock_timeout: how long to wait for a table, as PostgreSQL writes it; the server's own setting if None.
        wait: whether to wait for another process that works on it.

    Raises:
        SchemaLocked: another process works on it.
    """
    alias = target.alias
    assert alias is not None
    if not begin(alias, target.search_path, lock_timeout, wait=wait):
        raise lock_refused(alias)


def run_leg(leg: Leg, editor: BaseDatabaseSchemaEditor, tape: Tape | None = None) -> None:
    """Run the operations of a migration, as Django's `Migration.apply`, and what they put off."""
    migration = leg.migration
    for number, (operation, before, after) in enumerate(leg.moves):
        atomic = operation.atomic or (migration.atomic and operation.atomic is not False)
        own = atomic and not editor.atomic_migration
        with (
            tape.move(leg, number, editor) if tape else nullcontext(),
            transaction.atomic(using=editor.connection.alias) if own else nullcontext(),
        ):
            operation.database_forwards(migration.app_label, editor, before, after)
    for statement in editor.deferred_sql:
        editor.execute(statement, None)
    editor.deferred_sql.clear()

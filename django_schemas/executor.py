"""The executor: Django's own, with each migration and its record in one transaction on the schema's search_path."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from django.db import OperationalError, connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from .alias import SchemaAlias
from .exceptions import SchemaLocked, SchemasError
from .history import History
from .records import ARRIVAL_DUE, add_records
from .schemas import local_lock_timeout, lock_schema, session_lock
from .search_path import has_own_session, local_search_path, own_tables, session_search_path
from .settling import settling
from .sqlstates import LOCK_NOT_AVAILABLE, sqlstate_of
from .target import Target

__all__ = ["Executor", "Progress", "Recorder", "lock_named", "outside_transaction"]

Progress = Callable[..., None]
"""Called with what Django's executor reports: an action, a migration, and whether it was faked."""


class Recorder(MigrationRecorder):
    """Django's recorder, which makes its table in the schema itself, whatever else is visible."""

    def __init__(self, target: Target) -> None:
        super().__init__(connections[target.db])
        self.target = target

    def ensure_schema(self) -> None:
        """Make the table of records, unless it is there."""
        if not self._has_table:  # type: ignore[has-type]  # not in the stubs
            with own_tables(self.target):
                super().ensure_schema()
            # Django's executor asks again, where this schema can't be seen.
            self._has_table = True


class Executor(MigrationExecutor):
    """Django's executor.

    Args:
        target: what is migrated.
        progress: told of each migration.
        lock_timeout: how long a migration waits for a lock on a table, as PostgreSQL writes it.
        history: the project's migrations, and which are recorded, if that was read already.
    """

    loader: History

    def __init__(
        self,
        target: Target,
        progress: Progress | None = None,
        lock_timeout: str | None = None,
        history: History | None = None,
    ) -> None:
        self.target = target
        self.lock_timeout = lock_timeout
        self.connection = connections[target.db]
        self.loader = history or History(target)
        self.recorder = Recorder(target)
        self.progress_callback = progress
        self._is_noted = self.loader.is_due

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        """Run a migration and record it, unless another process did; of other apps only what it adds to the state."""
        if migration.app_label not in self.loader.labels:
            return migration.mutate_state(state, preserve=False)
        with self._transaction(migration):
            if (migration.app_label, migration.name) in self.recorder.applied_migrations():
                return migration.mutate_state(state, preserve=False)
            state = super().apply_migration(state, migration, fake=fake, fake_initial=fake_initial)
            self._note_due()
            return state

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        """Take a migration back, and its record away."""
        with self._transaction(migration):
            state = super().unapply_migration(state, migration, fake=fake)
            self._note_due()
            return state

    def check_replacements(self) -> None:
        """Record squashed migrations all of whose parts are recorded."""
        with own_tables(self.target):
            super().check_replacements()

    def _note_due(self) -> None:
        """Record that post_migrate is due, which whoever runs the plan sends behind it."""
        if self.target.alias is not None and not self._is_noted:
            add_records(self.target.alias, [ARRIVAL_DUE])
            self._is_noted = True

    @contextmanager
    def _transaction(self, migration: Migration) -> Iterator[None]:
        if self.target.alias is None:
            yield
        elif migration.atomic:
            nested = self.connection.in_atomic_block
            with (
                lock_named(self.target.alias, migration),
                local_search_path(self.connection, self.target.search_path),
            ):
                # This is waited for: who holds it does what is to be done here.
                lock_schema(self.target.alias)
                with (
                    local_lock_timeout(self.target.db, self.lock_timeout),
                    settling(self.connection) if nested else nullcontext(),
                ):
                    yield
                if nested:
                    # The next migration may alter a table whose deferred constraints this one's rows still wait for.
                    self.connection.check_constraints()
        else:
            with outside_transaction(self.target.alias, migration, self.target.search_path):
                yield


@contextmanager
def outside_transaction(
    alias: SchemaAlias, migration: Migration, search_path: Sequence[str], *, wait: bool = True
) -> Iterator[None]:
    """Run a migration that can be in no transaction: the session has the lock, and the search_path.

    Raises:
        SchemaLocked: another process has the lock, and it was not to be waited for.
        SchemasError: the caller is in a transaction, or behind a pooler.
    """
    connection = connections[alias.db]
    if connection.in_atomic_block:
        raise SchemasError(
            f"Migration {migration} is not atomic, so schema {alias.schema!r} can't be migrated "
            "inside a transaction: call this outside of atomic()."
        )
    if not has_own_session(connection):
        raise SchemasError(
            f"Migration {migration} is not atomic, and database {alias.db!r} is reached through a pooler, "
            "which may send each of its statements to another session: connect directly to migrate."
        )
    with session_lock(alias, wait=wait), session_search_path(connection, search_path):
        yield


@contextmanager
def lock_named(alias: SchemaAlias, migration: Migration) -> Iterator[None]:
    """Say which schema it was if a lock could not be had in time."""
    try:
        yield
    except OperationalError as error:
        if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
            raise
        raise SchemaLocked(
            f"Migration {migration} could not be run in schema {alias.schema!r} of database {alias.db!r}: another "
            "session holds a lock on a table that it changes. The migration left nothing behind: run it again."
        ) from error

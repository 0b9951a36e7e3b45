"""The fence: keeps everybody from writing to a schema, while it is read to be moved, and for good if it is renamed.

It is one transaction on a connection of its own, so PostgreSQL takes it down when its process or its connection dies,
and whoever holds it is the only one who works on that schema: it begins with the lock on changes to the structure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import cast

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from django_schemas.alias import SchemaAlias
from django_schemas.exceptions import SchemaLocked
from django_schemas.identifiers import qualified
from django_schemas.schemas import lock_schema, rename_sql
from django_schemas.sqlstates import DEADLOCK, LOCK_NOT_AVAILABLE, sqlstate_of

__all__ = ["PATIENCE_S", "Fence", "fenced", "without_timeouts"]

PATIENCE_S = 60.0
"""How long, in seconds, the fence waits for transactions that write already to end."""

_FIRST_WAIT_MS, _LONGEST_WAIT_MS, _PAUSE_S = 500, 4_000, 0.2
"""Who comes later waits behind a lock that is waited for, so it is asked for briefly, with pauses. The first waits are
shorter than `deadlock_timeout`, so in a deadlock it is mostly the fence that gives in; the later ones are longer, since
only then PostgreSQL has an autovacuum that is in the way give in.
"""

_TABLES = """
    SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') ORDER BY c.oid
"""
_IN_THE_WAY = """
    SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type),
        extract(epoch FROM now() - a.xact_start)::int
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE n.nspname = %s AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.pid <> pg_backend_pid() AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Fence:
    """A fence around a schema.

    Attributes:
        alias: the schema.
        connection: the connection whose transaction it is. What it reads is as everybody committed it.
    """

    alias: SchemaAlias
    connection: BaseDatabaseWrapper

    def close(self, patience_s: float | None = None) -> None:
        """Keep writers out. Those that write already are waited for; those that come later wait; readers go on.

        Raises:
            SchemaLocked: somebody has been writing all the time; says who.
        """
        patience_s = PATIENCE_S if patience_s is None else patience_s
        tables = self._tables()
        deadline, wait_ms = monotonic() + patience_s, _FIRST_WAIT_MS
        while tables and not self._locked(tables, wait_ms):
            if monotonic() > deadline:
                raise SchemaLocked(self._blocked(patience_s))
            wait_ms = min(2 * wait_ms, _LONGEST_WAIT_MS)
            sleep(_PAUSE_S)

    def rename(self, name: str) -> None:
        """Give the schema another name, and take down the fence. Writers that waited find no schema, and fail."""
        with self.connection.cursor() as cursor:
            cursor.execute(rename_sql(self.alias, name))
        self.connection.commit()

    def _tables(self) -> list[str]:
        with self.connection.cursor() as cursor:
            cursor.execute(_TABLES, [self.alias.schema])
            return [qualified(self.alias.schema, name) for (name,) in cursor.fetchall()]

    def _locked(self, tables: Sequence[str], wait_ms: int) -> bool:
        savepoint = cast(str, self.connection.savepoint())
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout TO {wait_ms:d}")
                cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")
                cursor.execute("SET LOCAL lock_timeout TO 0")
        except OperationalError as error:
            if sqlstate_of(error) not in (LOCK_NOT_AVAILABLE, DEADLOCK):
                raise
            self.connection.savepoint_rollback(savepoint)
            return False
        return True

    def _blocked(self, patience_s: float) -> str:
        with self.connection.cursor() as cursor:
            cursor.execute(_IN_THE_WAY, [self.alias.schema])
            sessions = ", ".join(f"{pid} ({name}, for {age} s)" for pid, name, age in cursor.fetchall())
        return (
            f"Schema {self.alias.placement} could not be fenced within {patience_s:g} s, since others write to it: "
            f"{sessions or 'each only for a moment'}. Wait for them, or end them, and try again."
        )


@contextmanager
def fenced(alias: SchemaAlias, patience_s: float = PATIENCE_S) -> Iterator[Fence]:
    """Become the only one who works on a schema, for a block. `Fence.close` then keeps writers out as well.

    Raises:
        SchemaLocked: another works on it.
    """
    connection = connections[alias.db].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            # Each statement is to see what was committed before it. An older snapshot would miss what was written
            # while the locks were waited for.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        without_timeouts(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout TO {patience_s * 1000:.0f}")
        try:
            lock_schema(alias, connection)
        except OperationalError as error:
            if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
                raise
            raise SchemaLocked(
                f"Schema {alias.placement} is being migrated or moved by another session: try again when it is done."
            ) from error
        yield Fence(alias, connection)
    finally:
        connection.close()


def without_timeouts(connection: BaseDatabaseWrapper) -> None:
    """Let the open transaction of a connection take its time, and idle, whatever the server's settings say; but not
    when its client is gone: a long statement would go on, and hold its locks, until it has something to tell.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(name, '0', true) FROM pg_catalog.pg_settings WHERE name IN "
            "('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
        )
        # Not every operating system can tell.
        cursor.execute(
            "SELECT set_config('client_connection_check_interval', '1s', true) WHERE version() LIKE '%linux%'"
        )

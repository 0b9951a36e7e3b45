"""The search_path of a connection: the only module that sets it, for migrations and for raw SQL, never for the ORM.

It is set for a transaction (`SET LOCAL`), which is safe behind a transaction pooler, and put back as the block ends.
Only a non-atomic migration, which can have no transaction, gets it for its session, and resets it.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from .alias import SchemaAlias
from .confining import owned_by
from .context import active_alias
from .environments import alias_for, environments, primary_of
from .identifiers import search_path
from .recycling import note_seen
from .replicas import note_write
from .schemas import lock_name
from .target import Target

__all__ = [
    "active_search_path",
    "begin",
    "has_own_session",
    "local_search_path",
    "own_tables",
    "schema_cursor",
    "seeing",
    "session_search_path",
]


@contextmanager
def local_search_path(
    connection: BaseDatabaseWrapper, schemas: Sequence[str], *, savepoint: bool = True
) -> Iterator[None]:
    """Run a block in a transaction in which unqualified names are looked up in these schemas.

    Inside a transaction that is open already it is a savepoint, and the former search_path is put back behind it.

    Args:
        connection: of the transaction.
        schemas: where names are looked up.
        savepoint: whether the transaction that is open may go on if the block fails.
    """
    nested = connection.in_atomic_block
    note_seen(connection, schemas)
    with transaction.atomic(using=connection.alias, savepoint=savepoint):
        former = _set_search_path(connection, search_path(schemas))
        yield
        if nested and not connection.needs_rollback:  # Else it is put back with the savepoint.
            _set_search_path(connection, former)


def _set_search_path(connection: BaseDatabaseWrapper, value: str) -> str:
    """Set it for the open transaction; return what it was. Roles may be denied the function that does it."""
    with owned_by(None, connection), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), set_config('search_path', %s, true)", [value])
        former, _ = cursor.fetchone()
    return str(former)


def begin(alias: SchemaAlias, schemas: Sequence[str], lock_timeout: str | None = None, *, wait: bool) -> bool:
    """Begin a transaction's work on a schema, in one statement: look into these schemas, and lock its structure.

    Args:
        alias: the schema whose lock is taken.
        schemas: where unqualified names are looked up until the transaction ends.
        lock_timeout: how long its statements wait for a lock, as PostgreSQL writes it; as long as before if None.
        wait: whether to wait, for as long as it takes, for whoever has the schema's lock.

    Returns:
        Whether the lock was had.
    """
    locked = "pg_try_advisory_xact_lock(key)" if not wait else "pg_advisory_xact_lock(key) IS NOT NULL"
    note_seen(connections[alias.db], (alias.schema,))
    with connections[alias.db].cursor() as cursor:
        # The timeout is set behind the lock, which another migration may hold for long.
        cursor.execute(
            f"SELECT {locked}, set_config('search_path', %s, true), "
            "set_config('lock_timeout', coalesce(%s, current_setting('lock_timeout')), true) "
            "FROM hashtextextended(%s, 0) AS key",
            [search_path(schemas), lock_timeout, lock_name(alias)],
        )
        return bool(cursor.fetchone()[0])


def active_search_path(db: str) -> AbstractContextManager[None]:
    """A block that looks into the schema of the active placement on a database; the usual search_path without one.

    For commands of Django's that ask the catalog, or the table of migration records, by unqualified names.
    """
    alias = active_alias(tuple(environments()), primary_of(db))
    return nullcontext() if alias is None else local_search_path(connections[db], (alias.schema,))


def own_tables(target: Target) -> AbstractContextManager[None]:
    """A context in which only the target's own tables can be seen, none of ADDITIONAL_SCHEMAS."""
    return seeing(target, target.search_path[:1])


def seeing(target: Target, schemas: Sequence[str]) -> AbstractContextManager[None]:
    """A context in which these schemas are looked into; the usual search_path for models of no environment."""
    return nullcontext() if target.alias is None else local_search_path(connections[target.db], schemas)


def has_own_session(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the server process that answers is the one that was connected to: behind a pooler it is another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    return bool(pid == connection.connection.info.backend_pid)


@contextmanager
def session_search_path(connection: BaseDatabaseWrapper, schemas: Sequence[str]) -> Iterator[None]:
    """Run a block outside of a transaction with the session's search_path set; it is reset behind it.

    Not safe behind a transaction pooler, where each statement may be of another session: see `has_own_session`.
    """
    note_seen(connection, schemas)
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {search_path(schemas)}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path")


@contextmanager
def schema_cursor(db: str, schema: str) -> Iterator[CursorWrapper]:
    """A cursor for raw SQL in a schema: in `atomic()`, with search_path set to the schema for that transaction.

    Args:
        db: alias of a writable database.
        schema: name of the schema. It is alone in search_path: what is not in it is not found elsewhere.

    Raises:
        ConfigError: the database hosts no environment that this schema could be of.
        InvalidSchemaName: the name breaks the rules for schema names.
    """
    alias = alias_for(db, schema)
    note_write(alias.db)
    connection = connections[alias]
    with owned_by(alias, connection), local_search_path(connection, (schema,)), connection.cursor() as cursor:
        yield cursor

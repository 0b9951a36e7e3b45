"""One state of a database to read from, however long it takes and whatever others write meanwhile; and the settings
under which values look the same in every session, server and version.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .alias import SchemaAlias
from .citus import has_citus, set_on_workers
from .identifiers import qualified

__all__ = ["snapshot", "steady"]

_STEADY = {
    "bytea_output": "hex",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "3",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    # Rows that a policy would hide are an error then, not left out.
    "row_security": "off",
    # Names are written in full, and are not looked up.
    "search_path": "",
}
"""What decides how PostgreSQL writes values, for how long it goes on, and whether it shows all rows."""


@contextmanager
def snapshot(alias: SchemaAlias) -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, to the primary, that sees the schema as it is now and only reads.

    As long as it is open the schema's migrations wait, so that its rows, structure and records fit together.
    """
    connection = connections[alias.db].copy()
    try:
        connection.set_autocommit(False)
        while True:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                # What `lock_schema` asks for, but shared.
                cursor.execute(
                    "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [f"django_schemas.{alias.schema}"]
                )
            # That statement took the snapshot, and then the lock: in between, or while it waited, one may have ended.
            if _records(connection, alias) == _records(connections[alias.db], alias):
                break
            connection.rollback()
        with connection.cursor() as cursor:
            _set(cursor, [*_STEADY], [*_STEADY.values()])
        yield connection
    finally:
        connection.close()


@contextmanager
def steady(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A block, in an open transaction, in which values are written alike whatever the session, and that may take long.

    The former settings hold again behind it.
    """
    with connection.cursor() as cursor:
        names = [*_STEADY]
        cursor.execute("SELECT current_setting(name) FROM unnest(%s::text[]) AS wanted (name)", [names])
        former = [value for (value,) in cursor.fetchall()]
        _set(cursor, names, [*_STEADY.values()])
    yield
    # After an error they go with the transaction, or the savepoint.
    with connection.cursor() as cursor:
        _set(cursor, names, former)


def _set(cursor: Any, names: list[str], values: list[str]) -> None:
    cursor.execute(
        "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)",
        [names, values],
    )
    if has_citus(cursor.db):
        # Names are written in full by Citus as well.
        set_on_workers(
            cursor, {name: value for name, value in zip(names, values, strict=True) if name != "search_path"}
        )


def _records(connection: BaseDatabaseWrapper, alias: SchemaAlias) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), max(id) FROM {qualified(alias.schema, 'django_migrations')}")
        return cursor.fetchone()

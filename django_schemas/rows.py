"""Copying the rows of a schema into another one that was made like it: by migrations, never by what a catalog says.

    with snapshot(source) as reading:
        made = make_like(reading, source, target, owner=...)
        with transaction.atomic(using=target.db):
            copy_rows(reading, connections[target.db], made)

Moving, cloning and importing are made of these. They work on connections that they are given, each in a transaction;
nothing of a session is changed, so they may be behind a pooler.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .alias import SchemaAlias
from .big_ints import widen_integers
from .digests import Digest, digests_of, unequal
from .exceptions import SchemasError
from .identifiers import qualified, quote
from .inventory import Inventory, Table, differences, inventory_of
from .migrator import migrate_target
from .plans import target_of
from .schemas import drop_schema
from .settling import checking
from .snapshots import steady
from .streams import Progress, pump

__all__ = [
    "Copied",
    "Position",
    "copy_rows",
    "excluding",
    "filling",
    "make_empty",
    "make_like",
    "positions_of",
    "records_of",
    "set_positions",
]

Position = tuple[int, bool]
"""Where a sequence stands: its value, and whether that was given out."""


# Definitions name tables in full, since `steady` leaves nothing in search_path.
_FOREIGN_KEYS = """
    SELECT c.relname::text, f.conname::text, pg_get_constraintdef(f.oid)
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    JOIN pg_catalog.pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0
    JOIN pg_catalog.pg_class other ON other.oid = f.confrelid AND other.relnamespace = n.oid
    WHERE n.nspname = %s
    ORDER BY c.oid, f.oid
"""


@dataclass(frozen=True, slots=True)
class Copied:
    """Two schemas, one made like the other.

    Attributes:
        source: what is in the one that rows come from.
        target: what is in the one that was made.
    """

    source: Inventory
    target: Inventory


def records_of(connection: BaseDatabaseWrapper, schema: str) -> list[tuple[str, str]]:
    """The migrations that a schema has recorded, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT app, name FROM {qualified(schema, 'django_migrations')} ORDER BY id")
        return [(app, name) for app, name in cursor.fetchall()]


def make_like(
    reading: BaseDatabaseWrapper, source: SchemaAlias, target: SchemaAlias, *, owner: str | None = None
) -> Copied:
    """Make a schema at the migration state of another.

    Args:
        reading: a connection that sees the source.
        source: the schema that rows are to come from.
        target: the one to be made; it must not be there.
        owner: a word for its mark.

    Raises:
        SchemasError: the migrations do not make what is in the source, which is named. Nothing is left then.
    """
    found = inventory_of(reading, source.schema)
    return Copied(found, make_empty(target, records_of(reading, source.schema), found, owner=owner))


def make_empty(
    target: SchemaAlias, records: Sequence[tuple[str, str]], expected: Inventory, *, owner: str | None = None
) -> Inventory:
    """Make a schema that reaches the points of these records of migrations, and holds what is expected.

    Raises:
        SchemasError: it does not; it is dropped again.
    """
    migrate_target(target_of(target), like=records, owner=owner)
    connection = connections[target.db]
    made = inventory_of(connection, target.schema)
    if _widened(expected, made):
        widen_integers(target)
        made = inventory_of(connection, target.schema)
    if found := differences(expected, made):
        drop_schema(target.db, target.schema)
        raise SchemasError(
            f"Schema {expected.schema!r} is not what its migrations make: {'; '.join(found)}. "
            "Nothing was copied: write a migration for what was done by hand, or undo that."
        )
    return made


def copy_rows(
    reading: BaseDatabaseWrapper,
    writing: BaseDatabaseWrapper,
    copied: Copied,
    *,
    without: Collection[str] = (),
    progress: Progress | None = None,
) -> dict[str, Digest]:
    """Copy all rows, the records of migrations as well, set the sequences, and compare both sides.

    Args:
        reading: a connection in a snapshot.
        writing: one in a transaction, which is to be rolled back if this fails.
        copied: the schemas.
        without: tables that are to stay empty.
        progress: told of each table.

    Returns:
        The digest of each table.

    Raises:
        SchemasError: what was written is not what was read.
        IntegrityError: a row refers to one that is not there, as of the registry in the other database.
    """
    source, target = copied.source, copied.target
    tables = excluding(source, without)
    with filling(writing, target):
        for table in tables:
            pump(reading, source.schema, writing, target.schema, table, progress)
        # Behind the rows: a sequence goes on meanwhile, and what is behind a snapshot's rows must not be given again.
        set_positions(writing, target, positions_of(reading, source))
    before = digests_of(reading, source.schema, tables)
    if found := unequal(before, digests_of(writing, target.schema, tables)):
        raise SchemasError(f"What was written to schema {target.schema!r} is not what was read: {'; '.join(found)}.")
    return before


def excluding(inventory: Inventory, without: Collection[str]) -> list[Table]:
    """The tables to be copied.

    Raises:
        SchemasError: one that stays refers to one that is left out.
    """
    kept = [table for name, table in inventory.roots.items() if name not in without]
    for table in kept:
        missing = sorted(table.references.intersection(without))
        if missing:
            raise SchemasError(
                f"Table {table.name} refers to {', '.join(missing)}, whose rows are to be left out: "
                f"leave out those of {table.name} too, or of neither."
            )
    return kept


@contextmanager
def filling(connection: BaseDatabaseWrapper, target: Inventory) -> Iterator[None]:
    """A block that fills a schema, emptied first, in a transaction, in any order; no trigger of users' fires.

    Foreign keys between its tables are taken away for the block, and put back as they were: each is checked at once
    then, much faster than row by row. Those to other schemas stay: to drop one would lock the table there.
    Materialised views are refreshed.
    """
    schema = target.schema
    triggers = [(table.name, *trigger) for table in target.tables.values() for trigger in table.triggers]
    with steady(connection), connection.cursor() as cursor:
        # PostgreSQL alters and truncates no table whose rows a constraint is still to be checked for.
        for statement in checking(connection, schema):
            cursor.execute(statement)
        for table, trigger, _ in triggers:
            cursor.execute(f"ALTER TABLE ONLY {qualified(schema, table)} DISABLE TRIGGER {quote(trigger)}")
        if target.roots:
            cursor.execute("TRUNCATE " + ", ".join(qualified(schema, name) for name in target.roots))
        cursor.execute(_FOREIGN_KEYS, [schema])
        keys = cursor.fetchall()
        for table, key, _ in keys:
            cursor.execute(f"ALTER TABLE {qualified(schema, table)} DROP CONSTRAINT {quote(key)}")
        yield
        for statement in checking(connection, schema):
            cursor.execute(statement)
        # Checking is planned by what is known of the tables; and whoever reads first is served better.
        cursor.execute("ANALYZE " + ", ".join(qualified(schema, name) for name in target.roots))
        for table, key, definition in keys:
            cursor.execute(f"ALTER TABLE {qualified(schema, table)} ADD CONSTRAINT {quote(key)} {definition}")
        for table, trigger, always in triggers:
            enable = "ENABLE ALWAYS TRIGGER" if always else "ENABLE TRIGGER"
            cursor.execute(f"ALTER TABLE ONLY {qualified(schema, table)} {enable} {quote(trigger)}")
        for view in target.views:
            cursor.execute(f"REFRESH MATERIALIZED VIEW {qualified(schema, view)}")


def positions_of(connection: BaseDatabaseWrapper, inventory: Inventory) -> dict[tuple[str, ...], Position]:
    """Where a schema's sequences stand; they are of no transaction, so at this moment, whatever a snapshot sees."""
    found: dict[tuple[str, ...], Position] = {}
    with connection.cursor() as cursor:
        for keys in _batches(list(inventory.sequences)):
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT {number}, last_value, is_called FROM "
                    + qualified(inventory.schema, inventory.sequences[key].name)
                    for number, key in enumerate(keys)
                )
            )
            found |= {keys[number]: (value, called) for number, value, called in cursor.fetchall()}
    return found


def set_positions(
    connection: BaseDatabaseWrapper, inventory: Inventory, positions: dict[tuple[str, ...], Position]
) -> None:
    """Set a schema's sequences."""
    names = [qualified(inventory.schema, inventory.sequences[key].name) for key in positions]
    values = [value for value, _ in positions.values()]
    called = [called for _, called in positions.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(name::regclass, value, called) "
            "FROM unnest(%s::text[], %s::bigint[], %s::bool[]) AS wanted (name, value, called)",
            [names, values, called],
        )


def _widened(source: Inventory, target: Inventory) -> bool:
    """Whether the source was migrated with `big_ints`."""
    return any(
        (type_, dict(target.tables[name].columns).get(column)) == ("bigint", "integer")
        for name, table in source.tables.items()
        if name in target.tables
        for column, type_ in table.columns
    )


def _batches(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), 200):
        yield keys[start : start + 200]

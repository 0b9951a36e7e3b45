"""Widening: turns the 32-bit integer columns of a schema into 64-bit ones.

All columns of a table are changed by one ALTER TABLE, so each table is rewritten once. PostgreSQL widens the sequence
of an identity column with its column, and keeps foreign keys valid between integers of two sizes while the tables are
changed one after the other; sequences of serial columns are altered by themselves.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from .alias import SchemaAlias
from .backends.citus.rebuilding import Column, rebuild_sql
from .citus import has_citus, settle
from .identifiers import qualified, quote
from .schemas import lock_schema

__all__ = ["Widened", "widen_integers"]

_COLUMNS = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.atttypid = 'pg_catalog.int4'::regtype AND a.attinhcount = 0
    GROUP BY c.oid, c.relname
    ORDER BY c.relname
"""

_SERIAL_SEQUENCES = """
    SELECT s.relname
    FROM pg_catalog.pg_class s
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
    WHERE n.nspname = %s AND q.seqtypid = 'pg_catalog.int4'::regtype
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.objid = s.oid AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'i')
    ORDER BY s.relname
"""


@dataclass(frozen=True, slots=True)
class Widened:
    """A table or sequence that was widened.

    Attributes:
        name: its name.
        columns: names of the columns, now 64-bit; empty for a sequence.
    """

    name: str
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.columns)})" if self.columns else f"sequence {self.name}"


# The tables and their columns that number themselves, whether by an identity or a serial sequence.
_NUMBERED = """
    SELECT t.relname::text, a.attname::text, s.relname::text
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE n.nspname = %s AND d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = d.classid
      AND d.deptype IN ('a', 'i') AND a.atttypid = 'pg_catalog.int4'::regtype
"""


def widen_integers(alias: SchemaAlias) -> list[Widened]:
    """Turn all 32-bit integer columns of a schema, and the sequences that feed them, into 64-bit ones.

    One transaction; each table that has such a column is locked and rewritten once. A second call finds nothing to do.

    Returns:
        What was changed.
    """
    with transaction.atomic(using=alias.db), connections[alias.db].cursor() as cursor:
        lock_schema(alias)
        # PostgreSQL alters no table for whose rows a deferred constraint is still to be checked.
        connections[alias.db].check_constraints()
        settle(connections[alias.db], alias.schema)
        cursor.execute(_COLUMNS, [alias.schema])
        tables = [Widened(name, tuple(columns)) for name, columns in cursor.fetchall()]
        cursor.execute(_SERIAL_SEQUENCES, [alias.schema])
        sequences = [Widened(name) for (name,) in cursor.fetchall()]
        numbered = _numbered(cursor, alias) if has_citus(connections[alias.db]) else {}
        for table in tables:
            cursor.execute(_widening(alias.schema, table, numbered.get(table.name)))
        # Those of tables that were made anew were so as well.
        anew = {sequence for table in numbered.values() for sequence in table.values()}
        for sequence in (each for each in sequences if each.name not in anew):
            cursor.execute(f"ALTER SEQUENCE {qualified(alias.schema, sequence.name)} AS bigint")
    return tables + sequences


def _numbered(cursor: Any, alias: SchemaAlias) -> dict[str, dict[str, str]]:
    """The columns that number themselves, by their tables, with the sequence of each."""
    cursor.execute(_NUMBERED, [alias.schema])
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for table, column, sequence in cursor.fetchall():
        found[table][column] = sequence
    return found


def _widening(schema: str, table: Widened, numbered: Collection[str] | None) -> str:
    """The statement that widens the columns of a table.

    Args:
        schema: name of the schema.
        table: with the columns that are narrow.
        numbered: those of them that number themselves, where that takes another statement.
    """
    name = qualified(schema, table.name)
    if numbered:
        return rebuild_sql(name, {column: Column("bigint", column in numbered) for column in table.columns})
    return f"ALTER TABLE {name} " + ", ".join(f"ALTER COLUMN {quote(column)} TYPE bigint" for column in table.columns)

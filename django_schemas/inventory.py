"""What is in a schema that holds rows: its tables with their columns, triggers and foreign keys, its materialised views
and its sequences. One query, which looks at the one schema only. For copying rows; nothing is ever made from it.

Left out are generated columns, which nobody may write, and what belongs to an extension. Partitions are listed, but
their rows are the partitioned table's; foreign tables and views hold no rows of their own.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["Inventory", "Sequence", "Table", "differences", "inventory_of"]

# A type is named by itself: how format_type() names those of extensions depends on search_path.
_RELATIONS = """
    SELECT c.relname::text, c.relkind::text, c.relispartition,
        CASE WHEN c.relkind IN ('r', 'p') THEN (
            SELECT jsonb_agg(jsonb_build_array(a.attname, CASE
                    WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(a.atttypid, a.atttypmod)
                    WHEN a.atttypmod < 0 THEN t.typname::text
                    ELSE t.typname || '(' || a.atttypmod || ')' END) ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        ) END::text,
        CASE WHEN c.relhastriggers AND c.relkind IN ('r', 'p') THEN (
            SELECT jsonb_agg(jsonb_build_array(g.tgname, g.tgenabled = 'A') ORDER BY g.tgname)
            FROM pg_catalog.pg_trigger g
            WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('A', 'O')
        ) END::text,
        CASE WHEN c.relhastriggers AND c.relkind IN ('r', 'p') THEN (
            SELECT jsonb_agg(DISTINCT other.relname)
            FROM pg_catalog.pg_constraint f
            JOIN pg_catalog.pg_class other ON other.oid = f.confrelid AND other.relnamespace = c.relnamespace
            WHERE f.conrelid = c.oid AND f.contype = 'f' AND NOT other.relispartition
        ) END::text,
        CASE WHEN c.relkind = 'S' THEN (
            SELECT jsonb_build_array(owner.relname, a.attname)
            FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_class owner ON owner.oid = d.refobjid AND owner.relnamespace = c.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
              AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
        ) END::text,
        c.relispopulated
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    WHERE n.nspname = %s AND c.relkind IN ('m', 'p', 'r', 'S')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.oid
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: its name.
        columns: the columns that may be written, in their order, each with its type.
        partitioned: whether its rows are in partitions.
        partition: whether its rows are those of another table of this schema.
        triggers: the triggers that users made and that fire, each with whether it is always enabled.
        references: tables of this schema that it has foreign keys to.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    partitioned: bool = False
    partition: bool = False
    triggers: tuple[tuple[str, bool], ...] = ()
    references: frozenset[str] = frozenset()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence.

    Attributes:
        name: its name.
        owner: the table and column that it feeds, or None.
    """

    name: str
    owner: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What tells which one of another schema is meant: its owner, since names differ where tables were renamed."""
        return self.owner or (self.name,)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is in a schema.

    Attributes:
        schema: its name.
        tables: by name, the oldest first.
        sequences: by what tells which is meant.
        views: the materialised views that are populated, each behind those that it reads.
    """

    schema: str
    tables: dict[str, Table] = field(default_factory=dict)
    sequences: dict[tuple[str, ...], Sequence] = field(default_factory=dict)
    views: tuple[str, ...] = ()

    @property
    def roots(self) -> dict[str, Table]:
        """The tables that rows are copied of: all but partitions, and those without a column to write."""
        return {name: table for name, table in self.tables.items() if table.columns and not table.partition}


def inventory_of(connection: BaseDatabaseWrapper, schema: str) -> Inventory:
    """Find out what is in a schema."""
    found = Inventory(schema)
    views = []
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS, [schema])
        for name, kind, partition, columns, triggers, references, owner, populated in cursor.fetchall():
            if kind == "S":
                sequence = Sequence(name, _pair(owner))
                found.sequences[sequence.key] = sequence
            elif kind != "m":
                found.tables[name] = Table(
                    name,
                    _pairs(columns),
                    partitioned=kind == "p",
                    partition=partition,
                    triggers=_pairs(triggers),
                    references=frozenset(json.loads(references or "[]")),
                )
            elif populated:
                views.append(name)
    return Inventory(schema, found.tables, found.sequences, tuple(views))


def differences(source: Inventory, target: Inventory) -> list[str]:
    """What keeps rows from being copied from one schema to another, in words; a larger integer holds a smaller."""
    found = [f"table {name} is in {source.schema} alone" for name in source.tables if name not in target.tables]
    found += [f"table {name} is not in {source.schema}" for name in target.roots if name not in source.tables]
    for name, table in source.roots.items():
        own, other = dict(table.columns), dict(target.tables[name].columns if name in target.tables else table.columns)
        found += [f"column {name}.{column} is in {source.schema} alone" for column in own if column not in other]
        found += [f"column {name}.{column} is not in {source.schema}" for column in other if column not in own]
        found += [
            f"column {name}.{column} is {type_} in {source.schema} and {other[column]} in {target.schema}"
            for column, type_ in own.items()
            if column in other and (type_, other[column]) not in ((type_, type_), ("integer", "bigint"))
        ]
    for key, sequence in source.sequences.items():
        # One that feeds a column of a table that is missing was told of already.
        if key not in target.sequences and (sequence.owner is None or sequence.owner[0] in target.tables):
            found.append(f"sequence {sequence.name} is in {source.schema} alone")
    return found


def _pairs(text: str | None) -> tuple[Any, ...]:
    return tuple(tuple(pair) for pair in json.loads(text or "null") or ())


def _pair(text: str | None) -> tuple[str, str] | None:
    return tuple(json.loads(text)) if text else None

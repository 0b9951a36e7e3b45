"""Emptying: drops what is in a schema, in batches, each a transaction that locks a bounded number of objects.

PostgreSQL locks each table that is dropped with its indexes, its TOAST table and its sequences, and remembers locks
in a table of a fixed size that all sessions share (max_locks_per_transaction). What is dropped here belongs to the
schema; the last and the few go with the schema itself.
"""

from django.db import connections, transaction

from .identifiers import qualified, quote

__all__ = ["BATCH", "empty"]

BATCH = 100
"""How many objects a transaction drops at most. With five locks each that is a twelfth of the smallest usual table."""

# Each names what is to be dropped: foreign keys first, since a table's would lock all that refer to it; then views,
# which hang on tables; parts of tables and heirs before what they are parts of.
_FOREIGN_KEYS = """
    SELECT t.relname::text, c.conname::text
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = %s AND c.contype = 'f' AND c.conparentid = 0
    LIMIT %s
"""
_RELATIONS = """
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                          WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
           c.relname::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid AND (d.deptype IN ('i', 'e') OR d.deptype = 'a' AND c.relkind = 'S'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
    ORDER BY array_position('{v,m}', c.relkind::text), c.relkind = 'S'
    LIMIT %s
"""
_ROUTINES = """
    SELECT 'ROUTINE', p.oid::pg_catalog.regprocedure::text
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %s
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                      AND d.objid = p.oid AND d.deptype IN ('i', 'e'))
    LIMIT %s
"""
_TYPES = """
    SELECT 'TYPE', t.typname::text
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = %s
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
                      AND d.objid = t.oid AND d.deptype IN ('i', 'e'))
    LIMIT %s
"""
# What belongs to another object, or to an extension, goes with that.


def empty(db: str, schema: str) -> None:
    """Drop what is in a schema until so little is left that it can go in one statement."""
    for objects in (_FOREIGN_KEYS, _RELATIONS, _ROUTINES, _TYPES):
        while len(found := _some(db, schema, objects)) == BATCH:
            with transaction.atomic(using=db), connections[db].cursor() as cursor:
                cursor.execute("; ".join(_drop(schema, objects, *each) for each in found))


def _some(db: str, schema: str, objects: str) -> list[tuple[str, str]]:
    with connections[db].cursor() as cursor:
        cursor.execute(objects, [schema, BATCH])
        return [(first, second) for first, second in cursor.fetchall()]


def _drop(schema: str, objects: str, kind: str, name: str) -> str:
    if objects is _FOREIGN_KEYS:
        return f"ALTER TABLE {qualified(schema, kind)} DROP CONSTRAINT IF EXISTS {quote(name)}"
    # Another of the batch may have taken it along. A routine's name is qualified already, with its arguments.
    return f"DROP {kind} IF EXISTS {name if objects is _ROUTINES else qualified(schema, name)} CASCADE"

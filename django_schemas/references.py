"""References to shared tables in a database of Citus's: a table that distributed ones refer to must be a reference
table, which each node has a copy of.

A single-schema environment's table becomes one before the first foreign key from a multi-schema one leads to it. Citus
takes the tables beside it into its books at the same time, those that foreign keys join it with, and forgets where
their sequences stand; so that is put down before, and put back behind it.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import ForeignKey, Model

from .alias import SchemaAlias
from .citus import has_citus, is_distributed, refuse_others
from .environments import environment, environments, environments_on
from .identifiers import qualified
from .membership import environments_of, models_of
from .scripts import statements_of

__all__ = ["referring", "send_script", "share", "share_referenced"]

_NAME = r'((?:"(?:[^"]|"")+"|[^\W\d][\w$]*)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[^\W\d][\w$]*))?)'
_REFERENCES = re.compile(rf"\bREFERENCES\s+{_NAME}", re.IGNORECASE)
_ALTERED = re.compile(rf"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}", re.IGNORECASE)

# In its books, as a reference table (`repmodel` t), one of a distributed schema's (with a colocation) or a local one.
_TABLES = """
    SELECT DISTINCT n.nspname::text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
           p.logicalrelid IS NOT NULL, p.repmodel = 't' OR p.colocationid <> 0
    FROM unnest(%s::text[]) AS wanted (name)
    JOIN pg_catalog.pg_class c ON c.oid = to_regclass(wanted.name)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_dist_partition p ON p.logicalrelid = c.oid
    WHERE c.relkind IN ('r', 'p')
    ORDER BY 2
"""
# Those that are joined to some by foreign keys, over any number of others, and are not in its books.
_NEIGHBOURS = """
    WITH RECURSIVE joined (oid) AS (
        SELECT wanted.name::regclass::oid FROM unnest(%s::text[]) AS wanted (name)
        UNION
        SELECT other.oid
        FROM joined j
        JOIN pg_catalog.pg_constraint k ON k.contype = 'f' AND j.oid IN (k.conrelid, k.confrelid)
        CROSS JOIN LATERAL (SELECT CASE j.oid WHEN k.conrelid THEN k.confrelid ELSE k.conrelid END) AS other (oid)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = other.oid)
    )
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
           ARRAY(SELECT pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(s.relname)
                 FROM pg_catalog.pg_depend d
                 JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                 JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
                 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
                   AND d.classid = d.refclassid AND d.deptype IN ('a', 'i'))
    FROM joined j
    JOIN pg_catalog.pg_class c ON c.oid = j.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = j.oid)
    ORDER BY 1
"""
# What Citus took into its books by itself it would take out again as a foreign key goes, which it can't with keys that
# number themselves: so it is to be there for good.
_KEPT = """
    SELECT pg_catalog.citus_add_local_table_to_metadata(p.logicalrelid, true)
    FROM pg_catalog.pg_dist_partition p WHERE p.autoconverted AND p.logicalrelid = ANY(%s::text[]::regclass[])
"""


class _Table(NamedTuple):
    """A table that a statement names.

    Attributes:
        schema: name of its schema.
        name: with its schema, quoted where need be.
        is_booked: whether Citus knows it.
        is_shared: whether distributed tables may refer to it.
    """

    schema: str
    name: str
    is_booked: bool
    is_shared: bool


def share_referenced(alias: SchemaAlias) -> None:
    """Make reference tables of those of a single-schema environment that models of multi-schema ones refer to.

    In one transaction; nothing is done where that was done, and in a database without Citus.
    """
    connection: Any = connections[alias.db]
    if not has_citus(connection):
        return
    refuse_others(connection)
    names = [qualified(alias.schema, table) for table in sorted(_referenced(alias))]
    with transaction.atomic(using=alias.db):
        share(connection, names)


def share(connection: Any, names: Sequence[str]) -> None:
    """Make reference tables of these, which may be that, or not be there, already; in an open transaction.

    Args:
        connection: to a coordinator of Citus.
        names: of tables, as SQL names them. Those of a distributed schema are left alone.
    """
    wanted = _unshared(connection, names)
    if not wanted:
        return
    # Nothing may wait for a constraint: these tables are about to be made anew.
    connection.check_constraints()
    with _positions_kept(connection, wanted), connection.cursor() as cursor:
        # Another may have done so while the lock was waited for.
        for name in _unshared(connection, wanted):
            cursor.execute("SELECT pg_catalog.create_reference_table(%s::regclass)", [name])


@contextmanager
def referring(connection: Any, sql: str) -> Iterator[None]:
    """Send a statement, in this block, that may make a foreign key to a shared table, or between two of these."""
    referenced = _REFERENCES.findall(sql)
    if not referenced:
        yield
        return
    if is_distributed(connection):
        # What else is referred to is nobody's here to change: Citus says what to do.
        homes = _homes(connection.alias)
        share(connection, [table.name for table in _tables(connection, referenced) if table.schema in homes])
        yield
        return
    named = _tables(connection, [*referenced, *_ALTERED.findall(sql)])
    if not any(table.is_booked for table in named):
        yield
        return
    with _positions_kept(connection, [table.name for table in named]):
        yield


def send_script(connection: Any, script: str) -> None:
    """Send statements that make structure: at once, or to Citus, which sends some on as they came, one by one."""
    with connection.cursor() as cursor:
        if not has_citus(connection):
            cursor.execute(script)
            return
        for statement in statements_of(script):
            with referring(connection, statement):
                cursor.execute(statement)


def _tables(connection: Any, names: Sequence[str]) -> list[_Table]:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [list(names)])
        return [_Table(schema, name, booked, bool(shared)) for schema, name, booked, shared in cursor.fetchall()]


def _unshared(connection: Any, names: Sequence[str]) -> list[str]:
    return [table.name for table in _tables(connection, names) if not table.is_shared]


def _homes(db: str) -> set[str | None]:
    """The schemas of a database that all others share."""
    return {environment(name).schema_name for name in environments_on(db)} - {None}


@contextmanager
def _positions_kept(connection: Any, names: Sequence[str]) -> Iterator[None]:
    """Have the sequences of tables, and of those beside them, stand where they stood behind the block."""
    with connection.cursor() as cursor:
        cursor.execute(_NEIGHBOURS, [list(names)])
        found = cursor.fetchall()
        tables = [table for table, _ in found]
        sequences = [sequence for _, owned in found for sequence in owned]
        if tables:
            # Nobody is to draw a number between the two.
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
        before = _positions(cursor, sequences)
        yield
        if tables:
            cursor.execute(_KEPT, [tables])
        for sequence, value, called in set(before) - set(_positions(cursor, sequences)):
            cursor.execute("SELECT setval(%s::regclass, %s, %s)", [sequence, value, called])


def _positions(cursor: Any, sequences: Sequence[str]) -> list[tuple[str, int, bool]]:
    if not sequences:
        return []
    each = " UNION ALL ".join(
        f"SELECT {number}, last_value, is_called FROM {name}" for number, name in enumerate(sequences)
    )
    cursor.execute(each)
    return [(sequences[number], value, called) for number, value, called in cursor.fetchall()]


def _referenced(alias: SchemaAlias) -> set[str]:
    """The tables of a single-schema environment that models of multi-schema ones in its database refer to."""
    many = [
        name for name in environments_on(alias.db) if name in environments() and not environment(name).single_schema
    ]
    return {
        str.__str__(target._meta.db_table)
        for name in many
        for model in models_of(name)
        for target in _targets(model)
        if name not in environments_of(target) and alias.environment in environments_of(target)
    }


def _targets(model: type[Model]) -> Iterator[type[Model]]:
    for field in model._meta.local_fields:
        target = (
            field.related_model if isinstance(field, ForeignKey) and getattr(field, "db_constraint", True) else None
        )
        if isinstance(target, type):
            yield target

"""Folding: the statements that made what is in a schema, written anew as the fewest that make the same.

Migrations make a table and then alter it, over and over; what they end up with is read from the catalog here, as
PostgreSQL itself describes it. Nothing is taken on trust: both are made, side by side, and compared; if anything
differs, the statements stay as they were. Nothing but what declarative migrations make is known here.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from django.db import DatabaseError, connections, transaction

from .alias import SchemaAlias
from .catalog import Catalog, read_catalogs
from .citus import create_schema, has_citus
from .identifiers import quote
from .search_path import local_search_path
from .target import Target

__all__ = ["SCRATCH", "folded"]

logger = logging.getLogger(__name__)

SCRATCH = "_check_"
"""What the names of schemas begin with that are made to be looked at, and are gone afterwards."""

# Whatever is named here is seen unqualified: its schema comes first in search_path.
_COLUMNS = """
    SELECT c.relname::text,
           concat_ws(' ', pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
               CASE WHEN a.attidentity <> '' THEN
                   'GENERATED ' || CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END
                   || ' AS IDENTITY (SEQUENCE NAME ' || pg_catalog.quote_ident(s.relname) || ')' END,
               CASE WHEN a.attgenerated <> '' THEN
                   'GENERATED ALWAYS AS (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ')'
                   || CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE ' VIRTUAL' END
                    ELSE 'DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
               'CONSTRAINT ' || pg_catalog.quote_ident(n.conname), CASE WHEN a.attnotnull THEN 'NOT NULL' END)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN pg_catalog.pg_depend e ON e.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND e.refobjid = c.oid AND e.refobjsubid = a.attnum AND e.deptype = 'i'
        AND e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    LEFT JOIN pg_catalog.pg_class s ON s.oid = e.objid AND s.relkind = 'S'
    -- Since PostgreSQL 18 it has a name.
    LEFT JOIN pg_catalog.pg_constraint n ON n.conrelid = c.oid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]
    WHERE c.relnamespace = %s::pg_catalog.regnamespace AND c.relkind = 'r'
    ORDER BY c.oid, a.attnum
"""
_CONSTRAINTS = """
    SELECT c.relname::text, k.contype <> 'f' AND k.convalidated,
           'CONSTRAINT ' || pg_catalog.quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid)
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = %s::pg_catalog.regnamespace AND k.contype IN ('c', 'f', 'p', 'u', 'x')
    ORDER BY k.oid
"""
_INDEXES = """
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid, 0, true)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = %s::pg_catalog.regnamespace AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY i.indexrelid
"""
_COMMENTS = """
    SELECT 'COMMENT ON ' || CASE d.objsubid WHEN 0 THEN 'TABLE ' ELSE 'COLUMN ' END
           || concat_ws('.', pg_catalog.quote_ident(c.relname), pg_catalog.quote_ident(a.attname))
           || ' IS ' || pg_catalog.quote_literal(d.description)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = c.oid
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
    WHERE c.relnamespace = %s::pg_catalog.regnamespace AND c.relkind = 'r'
    ORDER BY c.oid, d.objsubid
"""
# What `read_catalogs` does not tell, since it makes no difference to people.
_FINE = """
    SELECT 'relation ' || c.relname, ROW(c.relkind, c.relpersistence, c.relreplident, c.reloptions, c.relam,
           c.reltablespace, c.relrowsecurity, c.relacl, c.relowner, d.description)::text
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d
        ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objoid = c.oid AND d.objsubid = 0
    WHERE c.relnamespace = %(schema)s::pg_catalog.regnamespace
    UNION ALL
    SELECT 'columns of ' || c.relname, string_agg(
           ROW(a.attname, a.atttypid::regtype, a.atttypmod, a.attcollation::regcollation, a.attstorage,
               a.attcompression, a.attstattarget,
               -- Newer servers (15.20) keep a number here that is another one for each table.
               ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE NOT starts_with(o, 'pg_attver=') ORDER BY o),
               a.attacl)::text, ' ' ORDER BY a.attnum)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = %(schema)s::pg_catalog.regnamespace AND c.relkind = 'r' AND NOT a.attisdropped
    GROUP BY c.relname
    UNION ALL
    SELECT 'constraint ' || k.conname || ' of ' || c.relname, ROW(k.contype, k.condeferrable, k.condeferred,
           k.convalidated, k.conislocal, k.connoinherit, pg_catalog.pg_get_constraintdef(k.oid))::text
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = %(schema)s::pg_catalog.regnamespace
    UNION ALL
    SELECT 'triggers of ' || c.relname, string_agg(ROW(k.conname, g.tgfoid, g.tgtype, g.tgenabled, g.tgdeferrable,
           g.tginitdeferred)::text, ' ' ORDER BY k.conname, g.tgfoid, g.tgtype)
    FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid = g.tgrelid
    LEFT JOIN pg_catalog.pg_constraint k ON k.oid = g.tgconstraint
    WHERE c.relnamespace = %(schema)s::pg_catalog.regnamespace GROUP BY c.relname
    UNION ALL
    SELECT 'sequence ' || c.relname, ROW(d.deptype, q.seqcache, pg_catalog.pg_sequence_last_value(c.oid))::text
    FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
        AND d.refobjsubid > 0
    WHERE c.relnamespace = %(schema)s::pg_catalog.regnamespace
    UNION ALL
    SELECT 'others', ROW(
        (SELECT count(*) FROM pg_catalog.pg_type WHERE typnamespace = %(schema)s::pg_catalog.regnamespace),
        (SELECT count(*) FROM pg_catalog.pg_proc WHERE pronamespace = %(schema)s::pg_catalog.regnamespace),
        (SELECT count(*) FROM pg_catalog.pg_operator WHERE oprnamespace = %(schema)s::pg_catalog.regnamespace),
        (SELECT count(*) FROM pg_catalog.pg_opclass WHERE opcnamespace = %(schema)s::pg_catalog.regnamespace),
        (SELECT count(*) FROM pg_catalog.pg_statistic_ext WHERE stxnamespace = %(schema)s::pg_catalog.regnamespace)
    )::text
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """All that two schemas must have in common."""

    catalog: Catalog
    fine: dict[str, str]


def folded(target: Target, statements: Sequence[str], rows: Sequence[str]) -> list[str]:
    """The fewest statements that make what these make; these themselves if that can't be had.

    Args:
        target: what they made; both are tried in other schemas of its database, and nothing is left of them.
        statements: what declarative migrations send, in an empty schema, and nothing that writes rows.
        rows: statements that write all the rows there are then.
    """
    db = target.db
    as_they_were = [*statements, *rows]
    try:
        with _scratch(target) as schema:
            _send(db, as_they_were)
            expected = _look(db, schema)
            fewest = [*filter(_is_collations, statements), *_statements(db, schema), *rows]
        with _scratch(target) as schema:
            _send(db, fewest)
            found = _look(db, schema)
    except DatabaseError as error:
        logger.info("The migrations of environment %s are replayed, not folded: %s", target.environment, error)
        return as_they_were
    if found == expected and not any(SCRATCH in statement for statement in fewest):
        return fewest
    logger.info(
        "The migrations of environment %s are replayed, not folded: %s",
        target.environment,
        ", ".join(_differences(expected, found)) or "they name their schema",
    )
    return as_they_were


@contextmanager
def _scratch(target: Target) -> Iterator[str]:
    """A schema that is looked into first, for a block; it is rolled back."""
    assert target.alias is not None
    schema = f"{SCRATCH}{token_hex(8)}"
    connection = connections[target.db]
    with transaction.atomic(using=target.db):
        with connection.cursor() as cursor:
            like = SchemaAlias(target.db, schema, target.alias.environment)
            cursor.execute("; ".join(create_schema(like, f"CREATE SCHEMA {quote(schema)}")))
        with local_search_path(connection, (schema, *target.search_path[1:])):
            yield schema
        transaction.set_rollback(True, using=target.db)


def _send(db: str, statements: Sequence[str]) -> None:
    with connections[db].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _look(db: str, schema: str) -> _Look:
    with connections[db].cursor() as cursor:
        cursor.execute(_FINE, {"schema": quote(schema)})
        return _Look(read_catalogs(db, [schema])[schema], dict(cursor.fetchall()))


def _differences(expected: _Look, found: _Look) -> Iterator[str]:
    for one, other in ((expected.catalog, found.catalog), (expected.fine, found.fine)):
        for key in {*one, *other}:
            if one.get(key) != other.get(key):
                yield str(key)


def _is_collations(statement: str) -> bool:
    return statement.startswith(("CREATE COLLATION", "DROP COLLATION"))


@dataclass
class _Table:
    """What is written in CREATE TABLE, and what is added to it when all tables are there."""

    inline: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


def _statements(db: str, schema: str) -> Iterator[str]:
    """What makes all that is in a schema that comes first in search_path: tables, indexes, references, comments."""
    tables: defaultdict[str, _Table] = defaultdict(_Table)
    with connections[db].cursor() as cursor:

        def found(sql: str) -> list[Any]:
            cursor.execute(sql, [quote(schema)])
            return list(cursor.fetchall())

        for name, column in found(_COLUMNS):
            tables[name].inline.append(column)
        for name, is_inline, constraint in found(_CONSTRAINTS):
            table = tables[name]
            (table.inline if is_inline else table.added).append(constraint)
        for name, table in tables.items():
            yield f"CREATE TABLE {quote(name)} ({', '.join(table.inline)})"
        for (index,) in found(_INDEXES):
            yield index
        for name, table in tables.items():
            yield from _adding(quote(name), [f"ADD {constraint}" for constraint in table.added], connections[db])
        for (comment,) in found(_COMMENTS):
            yield comment


def _adding(table: str, constraints: Sequence[str], connection: Any) -> Iterator[str]:
    """Statements that add constraints to a table: one, or where Citus adds them one each."""
    if constraints:
        together = [", ".join(constraints)]
        yield from (f"ALTER TABLE {table} {each}" for each in (constraints if has_citus(connection) else together))

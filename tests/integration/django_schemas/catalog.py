"""What PostgreSQL says that a schema holds, to compare it with what it held before, or with what another holds."""

from typing import Any

from django.db import connections

__all__ = ["catalog", "integer_types", "records", "tables"]

_CATALOG = """
    SELECT 'column', c.relname::text, a.attname::text, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attnotnull THEN 'NOT NULL' END, NULLIF(a.attidentity, ''), pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind IN ('r', 'v')
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = %(schema)s::text::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT 'index', tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = %(schema)s::text
    UNION ALL
    SELECT 'sequence', sequencename::text, '', data_type::text FROM pg_sequences WHERE schemaname = %(schema)s::text
    ORDER BY 1, 2, 3
"""


def catalog(db: str, schema: str) -> list[tuple[str, ...]]:
    """All columns, constraints, indexes and sequences of a schema; its own name is left out of them."""
    with connections[db].cursor() as cursor:
        cursor.execute(_CATALOG, {"schema": schema})
        return sorted(tuple(value.replace(f"{schema}.", "") for value in row) for row in cursor.fetchall())


def tables(db: str, schema: str) -> set[str]:
    """Names of the tables of a schema."""
    return {table for kind, table, *_ in catalog(db, schema) if kind == "column"}


def records(db: str, schema: str) -> set[tuple[str, str]]:
    """The migrations that a schema has recorded."""
    with connections[db].cursor() as cursor:
        cursor.execute(f'SELECT app, name FROM "{schema}".django_migrations')
        rows: list[Any] = cursor.fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def integer_types(db: str, schema: str) -> set[str]:
    """The types of the integer columns and the sequences of a schema."""
    return {
        definition.split()[0]
        for kind, *_, definition in catalog(db, schema)
        if kind in ("column", "sequence") and definition.split()[0] in ("integer", "bigint", "smallint")
    }

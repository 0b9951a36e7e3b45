"""The look of a place: everything in it that two of them must have in common, in a form that compares.

What may differ is left out or put into other words: the numbers of content types and permissions, which tell schemas
apart on purpose, are told by names; and of the table that all schemas share nothing is told.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg2
from django.db import connections

from django_schemas.catalog import Catalog, read_catalogs

__all__ = ["Look", "differences", "looks_of"]

Look = dict[str, Any]
"""What is there, by words that say what it is."""

SHARED = "guild_member"
CONNECTION = "battery"

_EXTRAS = """
    SELECT 'columns of ' || c.relname::text,
           (SELECT string_agg(a.attname::text, ', ' ORDER BY a.attnum) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
    FROM pg_class c WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind IN ('r', 'v', 'm')
    UNION ALL
    SELECT 'storage of ' || c.relname::text || '.' || a.attname, a.attstorage::text || a.attcompression::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT 'options of ' || c.relname::text,
           concat_ws(' ', c.reloptions::text, m.amname::text, c.relreplident::text, c.relpersistence::text)
    FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam WHERE c.relnamespace = %(schema)s::text::regnamespace
    UNION ALL
    SELECT 'ownership of ' || c.relname::text, string_agg(
        concat_ws(' ', d.deptype::text, t.relname::text, a.attname::text), ', ' ORDER BY t.relname, d.deptype)
    FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refobjsubid > 0
    JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE c.relnamespace = %(schema)s::text::regnamespace AND c.relkind = 'S' GROUP BY c.oid, c.relname
    UNION ALL
    SELECT 'state of constraint ' || k.conname::text || ' of ' || k.conrelid::regclass::text,
           concat_ws(' ', k.condeferrable, k.condeferred, k.convalidated, k.conislocal,
               (SELECT string_agg(a.attname::text, ', ' ORDER BY position) FROM unnest(k.conkey)
                WITH ORDINALITY each (number, position)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = number))
    FROM pg_constraint k WHERE k.connamespace = %(schema)s::text::regnamespace AND k.contype NOT IN ('n', 't')
    UNION ALL
    SELECT 'comment on ' || o.identity, d.description
    FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) o
    WHERE o.schema = quote_ident(%(schema)s) AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
"""
_NUMBERED = """
    SELECT k.conrelid::regclass::text, a.attname::text, k.confrelid::regclass::text
    FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.connamespace = %(schema)s::text::regnamespace
      AND k.confrelid = ANY(ARRAY[to_regclass('django_content_type'), to_regclass('auth_permission')])
"""


def looks_of(url: str, schemas: Sequence[str]) -> list[Look]:
    """The looks of schemas of a database."""
    with closing(psycopg2.connect(url)) as connection:
        parameters = connection.get_dsn_parameters()
    address = {"HOST": parameters["host"], "PORT": parameters["port"], "NAME": parameters["dbname"]}
    connections.settings[CONNECTION] = {
        **connections.settings["default"],
        **address,
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,
    }
    try:
        catalogs = read_catalogs(CONNECTION, schemas)
        connections[CONNECTION].close()
    finally:
        del connections[CONNECTION], connections.settings[CONNECTION]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        return [_look(cursor, schema, catalogs[schema]) for schema in schemas]


def differences(expected: Look, found: Look) -> list[str]:
    """What differs, in words."""
    return [
        f"{name}\n    expected {_without(expected.get(name), found.get(name))!r}"
        f"\n    found    {_without(found.get(name), expected.get(name))!r}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]


def _without(one: Any, other: Any) -> Any:
    """The part of a long list that another has not; all of anything else."""
    if isinstance(one, list) and isinstance(other, list):
        return [each for each in one if each not in other] or "another order"
    return one


def _look(cursor: Any, schema: str, catalog: Catalog) -> Look:
    cursor.execute(f'SET LOCAL search_path TO "{schema}", public')
    look = {str(item): definition.replace("guildhall.", "") for item, definition in catalog.items()}
    cursor.execute(_EXTRAS, {"schema": schema})
    look |= {name.replace(f"{schema}.", "").replace(f'"{schema}".', ""): value for name, value in cursor.fetchall()}
    look |= _rows(cursor, schema)
    look |= _sequences(cursor, schema)
    return {name: value for name, value in look.items() if f" {SHARED}" not in name}


def _rows(cursor: Any, schema: str) -> Look:
    """All rows of all tables; in the order of their records, the migrations."""
    names = _names(cursor)
    cursor.execute(_NUMBERED, {"schema": schema})
    numbered = {(table.strip('"'), column): other for table, column, other in cursor.fetchall()}
    cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = %s", [schema])
    look: Look = {}
    for (table,) in cursor.fetchall():
        cursor.execute(f'SELECT to_jsonb(t) FROM "{table}" t ORDER BY 1')
        rows = [row for (row,) in cursor.fetchall()]
        for row in rows:
            for column, value in row.items():
                if (table, column) in numbered:
                    row[column] = names[numbered[table, column]].get(value)
        look[f"rows of {table}"] = [json.dumps(row, sort_keys=True) for row in rows]
    cursor.execute("SELECT app || '.' || name FROM django_migrations WHERE app <> 'guild' ORDER BY id")
    look["rows of django_migrations"] = [record for (record,) in cursor.fetchall()]
    for table, known in names.items():
        # Django makes those of one app in the order of a set.
        look[f"rows of {table}"] = sorted(known.values())
    return look


def _names(cursor: Any) -> dict[str, dict[int, str]]:
    """What content types and permissions are called, by their numbers and in their order."""
    cursor.execute("SELECT to_regclass('django_content_type') IS NOT NULL, to_regclass('auth_permission') IS NOT NULL")
    kinds, permissions = cursor.fetchone()
    names: dict[str, dict[int, str]] = {}
    if kinds:
        cursor.execute(
            "SELECT id, app_label || '.' || model FROM django_content_type WHERE app_label <> 'guild' ORDER BY id"
        )
        names["django_content_type"] = dict(cursor.fetchall())
    if permissions:
        cursor.execute(
            "SELECT p.id, concat_ws(' ', c.app_label, c.model, p.codename, p.name) FROM auth_permission p "
            "JOIN django_content_type c ON c.id = p.content_type_id WHERE c.app_label <> 'guild' ORDER BY p.id"
        )
        names["auth_permission"] = dict(cursor.fetchall())
    return names


def _sequences(cursor: Any, schema: str) -> Look:
    cursor.execute("SELECT sequencename::text FROM pg_sequences WHERE schemaname = %s", [schema])
    look: Look = {}
    for (name,) in cursor.fetchall():
        if not name.startswith(("django_", "auth_permission")):
            cursor.execute(f'SELECT last_value, is_called FROM "{name}"')
            look[f"value of {name}"] = cursor.fetchone()
    return look

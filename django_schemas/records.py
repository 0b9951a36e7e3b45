"""Recorded migrations: what schemas say was done to them, read for many at once.

One statement for each 500 schemas: so a fleet is known in no time, and only those that have something to do are looked
at one by one.
"""

from collections.abc import Sequence

from django.db import connections

from .alias import SchemaAlias
from .identifiers import qualified

__all__ = ["Key", "Records", "add_records", "insert_records", "is_recorded", "read_records"]

Key = tuple[str, str]
"""A migration: label of its app, and its name."""

Records = frozenset[Key]
"""Applied migrations, as (app label, name)."""

_TABLE = "django_migrations"
_SCHEMAS_AT_ONCE = 500

_WITH_TABLE = """
    SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relname = %s AND c.relkind = 'r'
"""


def read_records(db: str, schemas: Sequence[str]) -> dict[str, Records]:
    """The migrations that schemas have recorded: none, for one that has no table of records or is not there."""
    found: dict[str, set[Key]] = {schema: set() for schema in schemas}
    with connections[db].cursor() as cursor:
        cursor.execute(_WITH_TABLE, [list(schemas), _TABLE])
        there = [schema for (schema,) in cursor.fetchall()]
        for start in range(0, len(there), _SCHEMAS_AT_ONCE):
            batch = there[start : start + _SCHEMAS_AT_ONCE]
            statement = " UNION ALL ".join(f"SELECT %s, app, name FROM {qualified(name, _TABLE)}" for name in batch)
            cursor.execute(statement, batch)
            for schema, app, name in cursor.fetchall():
                found[schema].add((app, name))
    return {schema: frozenset(records) for schema, records in found.items()}


def is_recorded(alias: SchemaAlias, key: Key) -> bool:
    """Tell whether a schema has recorded a migration."""
    with connections[alias.db].cursor() as cursor:
        table = qualified(alias.schema, _TABLE)
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table} WHERE app = %s AND name = %s)", key)
        (found,) = cursor.fetchone()
    return bool(found)


def add_records(alias: SchemaAlias, keys: Sequence[Key]) -> None:
    """Record migrations, in this order."""
    if keys:
        with connections[alias.db].cursor() as cursor:
            cursor.execute(*insert_records(keys, qualified(alias.schema, _TABLE)))


def insert_records(keys: Sequence[Key], table: str = _TABLE) -> tuple[str, list[str]]:
    """The statement that records migrations, in this order, with its parameters."""
    rows = ", ".join("(%s, %s, now())" for _ in keys)
    return f"INSERT INTO {table} (app, name, applied) VALUES {rows}", [word for key in keys for word in key]

"""Recorded migrations: what schemas say was done to them, read for many at once.

One statement for each 500 schemas: so a fleet is known in no time, and only those that have something to do are looked
at one by one.
"""

from collections.abc import Sequence

from django.db import connections

from .identifiers import qualified

__all__ = ["Records", "read_records"]

Records = frozenset[tuple[str, str]]
"""Applied migrations, as (app label, name)."""

_TABLE = "django_migrations"
_SCHEMAS_AT_ONCE = 500

_WITH_TABLE = """
    SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relname = %s AND c.relkind = 'r'
"""


def read_records(db: str, schemas: Sequence[str]) -> dict[str, Records]:
    """The migrations that schemas have recorded: none, for one that has no table of records or is not there."""
    found: dict[str, set[tuple[str, str]]] = {schema: set() for schema in schemas}
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

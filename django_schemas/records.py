"""Recorded migrations: what schemas say was done to them, read for many at once.

One statement for each 500 schemas: so a fleet is known in no time, and only those that have something to do are looked
at one by one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db import connections

from .alias import SchemaAlias
from .identifiers import qualified

__all__ = [
    "Key",
    "Records",
    "add_records",
    "batches",
    "cohorts",
    "insert_records",
    "is_recorded",
    "read_records",
    "there_of",
]

Key = tuple[str, str]
"""A migration: label of its app, and its name."""

Records = frozenset[Key]
"""Applied migrations, as (app label, name)."""

_TABLE = "django_migrations"
_SCHEMAS_AT_ONCE = 500

# Whatever order they were applied in.
_DIGEST = "SELECT {}, count(*), sum(hashtextextended(app || '.' || name, 0)) FROM {}"
_WITH_TABLE = """
    SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relname = %s AND c.relkind = 'r'
"""


def read_records(db: str, schemas: Sequence[str]) -> dict[str, Records]:
    """The migrations that schemas have recorded: none, for one that has no table of records or is not there.

    Two statements for each 500 schemas, and one for each different state of theirs.
    """
    nothing: Records = frozenset()
    found = dict.fromkeys(schemas, nothing)
    for records, members in cohorts(db, there_of(db, schemas)).items():
        found.update(dict.fromkeys(members, records))
    return found


def there_of(db: str, schemas: Sequence[str]) -> list[str]:
    """Those of some schemas that have a table of records."""
    there: list[str] = []
    with connections[db].cursor() as cursor:
        for batch in batches(schemas):
            cursor.execute(_WITH_TABLE, [batch, _TABLE])
            there += (schema for (schema,) in cursor.fetchall())
    return there


def cohorts(db: str, schemas: Sequence[str]) -> dict[Records, list[str]]:
    """The schemas, which have tables of records, by what these hold: those that stand at the same point."""
    by_digest: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    found: dict[Records, list[str]] = {}
    with connections[db].cursor() as cursor:
        for batch in batches(schemas):
            cursor.execute(" UNION ALL ".join(map(_DIGEST.format, map(_literal, batch), map(_table, batch))))
            for schema, number, digest in cursor.fetchall():
                by_digest[number, digest].append(schema)
        for members in by_digest.values():
            cursor.execute(f"SELECT app, name FROM {_table(members[0])}")
            found.setdefault(frozenset(cursor.fetchall()), []).extend(members)
    return found


def batches(schemas: Sequence[str]) -> Iterator[list[str]]:
    """So many at a time as one statement is asked about."""
    for start in range(0, len(schemas), _SCHEMAS_AT_ONCE):
        yield list(schemas[start : start + _SCHEMAS_AT_ONCE])


def _table(schema: str) -> str:
    return qualified(schema, _TABLE)


def _literal(schema: str) -> str:
    return "'{}'".format(schema.replace("'", "''"))


def is_recorded(alias: SchemaAlias, key: Key) -> bool:
    """Tell whether a schema has recorded a migration."""
    with connections[alias.db].cursor() as cursor:
        table = qualified(alias.schema, _TABLE)
        cursor.execute(f"SELECT EXISTS (SELECT FROM {table} WHERE app = %s AND name = %s)", key)
        (found,) = cursor.fetchone()
    return bool(found)


def add_records(alias: SchemaAlias, keys: Sequence[Key]) -> bool:
    """Record migrations, in this order, unless the first of them is recorded already; tell whether that was done."""
    table = qualified(alias.schema, _TABLE)
    sql, parameters = insert_records(keys, table)
    with connections[alias.db].cursor() as cursor:
        cursor.execute(
            f"{sql} WHERE NOT EXISTS (SELECT FROM {table} WHERE app = %s AND name = %s)", [*parameters, *keys[0]]
        )
        return bool(cursor.rowcount)


def insert_records(keys: Sequence[Key], table: str = _TABLE) -> tuple[str, list[str]]:
    """The statement that records migrations, in this order, with its parameters."""
    rows = ", ".join("(%s, %s)" for _ in keys)
    return (
        f"INSERT INTO {table} (app, name, applied) SELECT app, name, now() FROM (VALUES {rows}) AS done (app, name)",
        [word for key in keys for word in key],
    )

"""Recorded migrations: what schemas say was done to them, read for many at once.

One statement for each 500 schemas: so a fleet is known in no time, and only those that have something to do are looked
at one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import ProgrammingError, connections

from .alias import SchemaAlias
from .citus import has_citus
from .exceptions import SchemasError
from .identifiers import literal, qualified
from .sqlstates import UNDEFINED_TABLE, sqlstate_of

__all__ = [
    "ARRIVAL_DUE",
    "Key",
    "Records",
    "add_records",
    "batches",
    "cohorts",
    "forget_record",
    "insert_records",
    "is_recorded",
    "of_these_records",
    "read_records",
    "there_of",
]

Key = tuple[str, str]
"""A migration: label of its app, and its name."""

Records = frozenset[Key]
"""Applied migrations, as (app label, name)."""

ARRIVAL_DUE: Key = ("django_schemas", "arrival_due")
"""Recorded with the first of several migrations, and taken away when post_migrate is sent. Where it is found a run was
cut off: what receivers make of the models of its migrations is not there.
"""

_TABLE = "django_migrations"
_SCHEMAS_AT_ONCE = 500

# Whatever order they were applied in.
_DIGEST = "SELECT {}, count(*), sum(hashtextextended(app || '.' || name, 0)) FROM {}"
_QUICK_DIGEST = "sum(hashtext(app) # hashtext(name))"
# OFFSET has it look for the table in each of these schemas, where PostgreSQL would read those of all schemas.
_WITH_TABLE = """
    SELECT n.nspname::text FROM pg_catalog.pg_namespace n
    WHERE n.nspname = ANY(%s) AND EXISTS (
        SELECT FROM pg_catalog.pg_class c
        WHERE c.relnamespace = n.oid AND c.relname = %s AND c.relkind = 'r' OFFSET 0
    )
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
    for batch in batches(schemas):
        for schema, number, digest in _read(db, batch, _digests):
            by_digest[number, digest].append(schema)
    for members in by_digest.values():
        found.setdefault(frozenset(_read(db, members, _records_of_first)), []).extend(members)
    return found


def batches(schemas: Sequence[str]) -> Iterator[list[str]]:
    """So many at a time as one statement is asked about."""
    for start in range(0, len(schemas), _SCHEMAS_AT_ONCE):
        yield list(schemas[start : start + _SCHEMAS_AT_ONCE])


def _read(db: str, schemas: Sequence[str], statement: Callable[[Sequence[str]], str]) -> list[Any]:
    """What a statement says of the tables of some schemas; of those that are left, if one is dropped just now."""
    if not schemas:
        return []
    try:
        with connections[db].cursor() as cursor:
            cursor.execute(statement(schemas))
            rows: list[Any] = cursor.fetchall()
            return rows
    except ProgrammingError as error:
        if connections[db].in_atomic_block or sqlstate_of(error) != UNDEFINED_TABLE:
            raise
    return _read(db, there_of(db, schemas), statement)


def _digests(schemas: Sequence[str]) -> str:
    return " UNION ALL ".join(map(_DIGEST.format, map(literal, schemas), map(_table, schemas)))


def _records_of_first(schemas: Sequence[str]) -> str:
    return f"SELECT app, name FROM {_table(schemas[0])}"


def _table(schema: str) -> str:
    return qualified(schema, _TABLE)


def is_recorded(alias: SchemaAlias, key: Key, least: int = 0) -> bool:
    """Tell whether a schema has recorded a migration.

    Raises:
        SchemasError: it has not, and has fewer records than `least`: migrations were taken back in the meantime.
    """
    table = qualified(alias.schema, _TABLE)
    with connections[alias.db].cursor() as cursor:
        cursor.execute(f"SELECT count(*), count(*) FILTER (WHERE app = %s AND name = %s) FROM {table}", key)
        number, found = cursor.fetchone()
    if not found and number < least:
        raise SchemasError(
            f"Migrations of schema {alias.schema!r} in database {alias.db!r} were taken back by another process "
            "in the meantime: migrate it again."
        )
    return bool(found)


def add_records(alias: SchemaAlias, keys: Sequence[Key], least: int = 0, seen: set[int] | None = None) -> bool:
    """Record migrations, in this order, unless the first of them is recorded already; tell whether that was done.

    Args:
        alias: the schema.
        keys: the migrations.
        least: how many are recorded at least.
        seen: digests of records to which these were added in other schemas; a new one is put in. Where such a one is
            found, it is known that the first is not recorded, and that takes PostgreSQL half the time.

    Raises:
        SchemasError: as `is_recorded`.
    """
    table = qualified(alias.schema, _TABLE)
    sql, parameters = insert_records(keys, alias)
    if has_citus(connections[alias.db]):
        # A worker, which would run one that reads the table as well, numbers rows in a way of its own.
        if is_recorded(alias, keys[0], least):
            return False
        with connections[alias.db].cursor() as cursor:
            cursor.execute(sql, parameters)
        return True
    # As it was before.
    returning = f"RETURNING id, (SELECT {_QUICK_DIGEST} FROM {table})"
    with connections[alias.db].cursor() as cursor:
        if seen:
            cursor.execute(f"{sql} {returning}", parameters)
            rows = cursor.fetchall()
            if rows[0][1] in seen:
                return True
            cursor.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [[number for number, _ in rows]])
        cursor.execute(
            f"{sql} WHERE NOT EXISTS (SELECT FROM {table} WHERE app = %s AND name = %s) "
            f"AND (SELECT count(*) FROM {table}) >= %s {returning}",
            [*parameters, *keys[0], least],
        )
        for _, digest in cursor.fetchall():
            if seen is not None:
                seen.add(digest)
        if cursor.rowcount:
            return True
    return not is_recorded(alias, keys[0], least)


def forget_record(alias: SchemaAlias, key: Key) -> None:
    """Take a record away."""
    with connections[alias.db].cursor() as cursor:
        cursor.execute(f"DELETE FROM {qualified(alias.schema, _TABLE)} WHERE app = %s AND name = %s", key)


def of_these_records(alias: SchemaAlias, seen: set[int]) -> tuple[str, list[Any]]:
    """A statement that fails unless what a schema has recorded has one of these digests, with its parameters."""
    return (
        f"SELECT CASE WHEN (SELECT {_QUICK_DIGEST} FROM {_table(alias.schema)}) = ANY(%s) THEN 0 "
        "ELSE ('changed ' || pg_backend_pid())::int END",
        [sorted(seen)],
    )


def insert_records(keys: Sequence[Key], alias: SchemaAlias | None = None) -> tuple[str, list[str]]:
    """The statement that records migrations, in this order, with its parameters; in the schema that is looked into if
    none is named.
    """
    table = _table(alias.schema) if alias else _TABLE
    rows = ", ".join("(%s, %s)" for _ in keys)
    return (
        f"INSERT INTO {table} (app, name, applied) SELECT app, name, now() FROM (VALUES {rows}) AS done (app, name)",
        [word for key in keys for word in key],
    )

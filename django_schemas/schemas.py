"""Schemas as PostgreSQL has them: makes, marks, finds and drops them.

A schema made here bears a mark, a comment that names its environment. What bears none was made by somebody else: it is
not taken over unless asked, and never dropped.
"""

from django.db import connections, transaction

from .alias import SchemaAlias
from .environments import environment
from .exceptions import SchemaDoesNotExist, SchemaExists
from .identifiers import quote, validate_schema_name

__all__ = ["create_schema", "drop_schema", "ensure_schema", "lock_schema", "mark_of", "schema_exists"]

_MARK = "django_schemas: environment "


def mark_of(db: str, schema: str) -> str | None:
    """Name of the environment that a schema is marked with; None if it bears no mark or does not exist."""
    comment = _comment(db, schema)
    return comment.removeprefix(_MARK) if comment and comment.startswith(_MARK) else None


def schema_exists(db: str, schema: str) -> bool:
    """Tell whether a database has a schema of this name, whoever made it."""
    return _comment(db, schema) is not None


def create_schema(alias: SchemaAlias) -> None:
    """Make a schema, and mark it.

    Raises:
        SchemaExists: there is one of this name.
    """
    with transaction.atomic(using=alias.db), connections[alias.db].cursor() as cursor:
        lock_schema(alias)
        if schema_exists(alias.db, alias.schema):
            raise SchemaExists(f"Schema {alias.schema!r} exists already in database {alias.db!r}.")
        cursor.execute(f"CREATE SCHEMA {quote(alias.schema)}")
        _mark(alias)


def ensure_schema(alias: SchemaAlias, *, adopt: bool = False) -> bool:
    """Make a schema unless it is there and is ours.

    A declared `SCHEMA_NAME` may be there already, unmarked: that is how an existing project starts.

    Args:
        alias: the schema.
        adopt: take over a schema that bears no mark, and mark it.

    Returns:
        Whether it was made now.

    Raises:
        SchemaExists: it is there, was made by somebody else or for another environment, and was not to be adopted.
    """
    if not schema_exists(alias.db, alias.schema):
        create_schema(alias)
        return True
    mark = mark_of(alias.db, alias.schema)
    if mark == alias.environment or (mark is None and environment(alias.environment).single_schema):
        return False
    if mark is None and adopt:
        _mark(alias)
        return False
    owner = f"environment {mark!r}" if mark else "something other than django_schemas"
    raise SchemaExists(
        f"Schema {alias.schema!r} in database {alias.db!r} belongs to {owner}, not to environment "
        f"{alias.environment!r}: choose another name"
        + ("." if mark else ", or take it over by migrate_schema --adopt.")
    )


def drop_schema(db: str, schema: str) -> None:
    """Drop a schema that was made here, with all that is in it.

    Raises:
        InvalidSchemaName: the name is reserved (`public`, `pg_*`, `information_schema`) or no valid name.
        SchemaDoesNotExist: there is none of this name.
        SchemaExists: it was made by somebody else.
    """
    validate_schema_name(schema)
    if not schema_exists(db, schema):
        raise SchemaDoesNotExist(f"There is no schema {schema!r} in database {db!r}.")
    if mark_of(db, schema) is None:
        raise SchemaExists(
            f"Schema {schema!r} in database {db!r} was not made by django_schemas, so it is not dropped: "
            "drop it by hand if you mean to."
        )
    with connections[db].cursor() as cursor:
        cursor.execute(f"DROP SCHEMA {quote(schema)} CASCADE")


def lock_schema(alias: SchemaAlias) -> None:
    """Wait for, and hold until the end of this transaction, the lock on changes to a schema's structure."""
    with connections[alias.db].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"django_schemas.{alias.schema}"])


def _comment(db: str, schema: str) -> str | None:
    """The comment on a schema, empty if it has none; None if there is no such schema."""
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_catalog.pg_namespace WHERE nspname = %s",
            [schema],
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def _mark(alias: SchemaAlias) -> None:
    with connections[alias.db].cursor() as cursor:
        cursor.execute(f"COMMENT ON SCHEMA {quote(alias.schema)} IS %s", [_MARK + alias.environment])

"""Schemas as PostgreSQL has them: makes, marks, finds and drops them.

A schema made here bears a mark, a comment that names its environment. What bears none was made by somebody else: it is
not taken over unless asked, and never dropped.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .alias import SchemaAlias
from .caches import forget
from .citus import create_schema, settle
from .emptying import empty
from .environments import environment
from .exceptions import ConfigError, SchemaDoesNotExist, SchemaExists, SchemaLocked
from .identifiers import quote, validate_schema_name
from .roles import dropping, give, giving, renaming

__all__ = [
    "Mark",
    "drop_schema",
    "ensure_schema",
    "is_locked",
    "local_lock_timeout",
    "lock_name",
    "lock_refused",
    "lock_schema",
    "make_schema",
    "mark_in",
    "mark_of",
    "mark_schema",
    "marks_on",
    "rename_schema",
    "rename_sql",
    "same_database",
    "schema_exists",
    "schemas_of",
    "session_lock",
]

_MARK = re.compile(r"django_schemas: environment (?P<environment>\S+)(; owner (?P<owner>\S+))?")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a schema's comment says of it.

    Attributes:
        environment: name of the environment it was made for.
        owner: what the caller who had it made gave as its own, so that nobody else takes it over; a word or None.
    """

    environment: str
    owner: str | None = None

    def __str__(self) -> str:
        owner = f"; owner {self.owner}" if self.owner else ""
        return f"django_schemas: environment {self.environment}{owner}"


def mark_in(comment: str | None) -> Mark | None:
    """The mark that a comment on a schema is; None if it is none."""
    match = _MARK.fullmatch(comment or "")
    return Mark(match["environment"], match["owner"]) if match else None


def mark_of(db: str, schema: str) -> Mark | None:
    """The mark of a schema; None if it bears none or does not exist."""
    return mark_in(_comment(db, schema))


def schema_exists(db: str, schema: str) -> bool:
    """Tell whether a database has a schema of this name, whoever made it."""
    return _comment(db, schema) is not None


def marks_on(db: str, environment: str) -> dict[str, Mark]:
    """The schemas in a database that were made for an environment, each with its mark."""
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT nspname::text, obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace "
            "WHERE obj_description(oid, 'pg_namespace') LIKE 'django_schemas: environment %%' ORDER BY nspname"
        )
        marks = {schema: mark_in(comment) for schema, comment in cursor.fetchall()}
    return {schema: mark for schema, mark in marks.items() if mark and mark.environment == environment}


def schemas_of(db: str, environment: str, owner: str | None = None) -> list[str]:
    """Names of the schemas in a database that were made for an environment; for one owner, if one is named."""
    return [schema for schema, mark in marks_on(db, environment).items() if owner in (None, mark.owner)]


def same_database(one: str, other: str) -> bool:
    """Tell whether two aliases lead to the same database, whatever their addresses look like.

    A lock that is held on the one can't be had on the other. Nothing else tells: copies of a server share its
    identifier, and poolers its address.
    """
    key = secrets.randbits(62)
    holder = connections[one].copy()
    try:
        holder.set_autocommit(False)
        with holder.cursor() as held, connections[other].cursor() as asked:
            held.execute("SELECT pg_advisory_xact_lock(%s)", [key])
            asked.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])
            return bool(asked.fetchone() == (False,))
    finally:
        holder.close()


def ensure_schema(alias: SchemaAlias, *, owner: str | None = None, adopt: bool = False) -> bool:
    """Make a schema unless it is there and is ours.

    A declared `SCHEMA_NAME` may be there already, unmarked: that is how an existing project starts.

    Args:
        alias: the schema.
        owner: a word that the mark must hold; another's schema is refused. Any will do if None.
        adopt: take over a schema that bears no mark, and mark it.

    Returns:
        Whether it was made now.

    Raises:
        SchemaExists: it is there, was made by somebody else or for somebody else, and was not to be adopted.
    """
    if not schema_exists(alias.db, alias.schema) and make_schema(alias, owner):
        return True
    mark = mark_of(alias.db, alias.schema)
    if mark is None and environment(alias.environment).single_schema:
        return False
    if mark is not None and mark.environment == alias.environment and owner in (None, mark.owner):
        return False
    if mark is None and adopt:
        mark_schema(alias, owner)
        give(alias)
        return False
    raise SchemaExists(
        f"Schema {alias.schema!r} in database {alias.db!r} is there already and "
        + (
            f"belongs to another ({mark}): choose another name."
            if mark
            else "was not made by django_schemas: choose another name, or take it over by migrate_schema --adopt."
        )
    )


def make_schema(alias: SchemaAlias, owner: str | None) -> bool:
    """Make a schema that was not there just now; tell whether nobody else was quicker.

    It is part of the transaction that is open, which fails if this does.
    """
    with transaction.atomic(using=alias.db, savepoint=False):
        lock_schema(alias)
        # Whoever held the lock may have made it.
        if schema_exists(alias.db, alias.schema):
            return False
        with connections[alias.db].cursor() as cursor:
            created = create_schema(alias, f"CREATE SCHEMA {quote(alias.schema)}")
            cursor.execute("; ".join((*created, _marking(alias, owner), *giving(alias))))
    return True


def rename_schema(db: str, schema: str, new: str) -> None:
    """Give a schema that was made here another name. What is bound to the old one finds nothing any more.

    Raises:
        InvalidSchemaName: one of the names is reserved or no valid name.
        SchemaDoesNotExist: there is none of this name.
        SchemaExists: it was made by somebody else, or there is one of the new name.
    """
    validate_schema_name(new)
    mark = _refuse_others(db, schema, "rename", "renamed")
    if schema_exists(db, new):
        raise SchemaExists(f"Schema {new!r} in database {db!r} is there already: choose another name.")
    with connections[db].cursor() as cursor:
        cursor.execute(rename_sql(SchemaAlias(db, schema, mark.environment), new))
    forget(db, schema)
    forget(db, new)


def rename_sql(alias: SchemaAlias, new: str) -> str:
    """SQL that gives a schema another name, and its role if it has one."""
    return "; ".join((f"ALTER SCHEMA {quote(alias.schema)} RENAME TO {quote(new)}", *renaming(alias, new)))


def mark_schema(alias: SchemaAlias, owner: str | None) -> None:
    """Mark a schema as made for its environment, and for this owner if one is named, whatever mark it bears."""
    with connections[alias.db].cursor() as cursor:
        cursor.execute(_marking(alias, owner))


def _marking(alias: SchemaAlias, owner: str | None) -> str:
    # Composed here: this statement takes no parameters, which is what server-side binding would send.
    sql = f"COMMENT ON SCHEMA {quote(alias.schema)} IS %s"
    connection: Any = connections[alias.db]
    return str(connection.ops.compose_sql(sql, [str(Mark(alias.environment, owner))]))


def drop_schema(db: str, schema: str) -> None:
    """Drop a schema that was made here, with all that is in it.

    One that holds much is emptied first, a batch in each transaction: a transaction locks all that it drops, and the
    server has room for so many locks only. If that is cut off, what is left is dropped by another call.

    Raises:
        InvalidSchemaName: the name is reserved (`public`, `pg_*`, `information_schema`) or no valid name.
        SchemaDoesNotExist: there is none of this name.
        SchemaExists: it was made by somebody else.
    """
    mark = _refuse_others(db, schema, "drop", "dropped")
    connection = connections[db]
    if connection.in_atomic_block:
        # PostgreSQL drops no table for whose rows a deferred constraint is still to be checked.
        connection.check_constraints()
        settle(connection, schema)
    empty(db, schema)
    with connection.cursor() as cursor:
        roles = dropping(SchemaAlias(db, schema, mark.environment))
        cursor.execute("; ".join((f"DROP SCHEMA {quote(schema)} CASCADE", *roles)))
    forget(db, schema)


def _refuse_others(db: str, schema: str, verb: str, done: str) -> Mark:
    """The mark of a schema, which must have been made here."""
    validate_schema_name(schema)
    if not schema_exists(db, schema):
        raise SchemaDoesNotExist(f"There is no schema {schema!r} in database {db!r}.")
    mark = mark_of(db, schema)
    if mark is None:
        raise SchemaExists(
            f"Schema {schema!r} in database {db!r} was not made by django_schemas, so it is not {done}: "
            f"{verb} it by hand if you mean to."
        )
    return mark


def lock_name(alias: SchemaAlias) -> str:
    """What the key of the lock on a schema is made of."""
    return f"django_schemas.{alias.schema}"


def lock_schema(alias: SchemaAlias, connection: BaseDatabaseWrapper | None = None) -> None:
    """Wait for, and hold until the end of this transaction, the lock on changes to a schema's structure.

    Args:
        alias: the schema.
        connection: whose transaction; by default that of the thread's own connection.
    """
    _ask_lock(alias, "pg_advisory_xact_lock", connection)


def is_locked(alias: SchemaAlias) -> bool:
    """Tell whether somebody changes a schema's structure just now. If not, the caller's transaction locks it."""
    with transaction.atomic(using=alias.db):
        return not _ask_lock(alias, "pg_try_advisory_xact_lock")


def lock_refused(alias: SchemaAlias) -> SchemaLocked:
    """What to raise if the lock was not had, and is not waited for."""
    return SchemaLocked(
        f"Schema {alias.schema!r} of database {alias.db!r} is being migrated, copied or moved by another process."
    )


@contextmanager
def session_lock(alias: SchemaAlias, *, wait: bool = True) -> Iterator[None]:
    """Hold the same lock for a block that can be in no transaction. Not safe behind a transaction pooler.

    Raises:
        SchemaLocked: somebody else has it, and it was not to be waited for.
    """
    if wait:
        _ask_lock(alias, "pg_advisory_lock")
    elif not _ask_lock(alias, "pg_try_advisory_lock"):
        raise lock_refused(alias)
    try:
        yield
    finally:
        _ask_lock(alias, "pg_advisory_unlock")


@contextmanager
def local_lock_timeout(db: str, timeout: str | None) -> Iterator[None]:
    """Wait for no lock longer than this, in an open transaction; the former setting holds again behind the block.

    Raises:
        ConfigError: PostgreSQL does not take the value.
    """
    if timeout is None:
        yield
        return
    with connections[db].cursor() as cursor:
        try:
            cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [timeout])
        except DatabaseError as error:
            raise ConfigError(f"lock_timeout {timeout!r} is not valid: {str(error).strip()}") from error
        former, _ = cursor.fetchone()
    yield
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [former])


def _ask_lock(alias: SchemaAlias, function: str, connection: BaseDatabaseWrapper | None = None) -> Any:
    with (connection or connections[alias.db]).cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [lock_name(alias)])
        return cursor.fetchone()[0]


def _comment(db: str, schema: str) -> str | None:
    """The comment on a schema, empty if it has none; None if there is no such schema."""
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_catalog.pg_namespace WHERE nspname = %s",
            [schema],
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])

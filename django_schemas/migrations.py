"""Migrating from code: brings the environments of a database, or a schema of one, to their newest migrations; and
drops a schema. The public face of `migrator`, `schemas` and `big_ints`.
"""

from .alias import SchemaAlias
from .big_ints import Widened, widen_integers
from .environments import alias_for, environments_on, home
from .environments import environment as declared
from .exceptions import ConfigError
from .migrator import migrate_target
from .plans import target_of
from .schemas import drop_schema

__all__ = ["flush", "migrate"]


def migrate(
    db: str,
    schema: str | None = None,
    environment: str | None = None,
    big_ints: bool = False,
    lock_timeout: str | None = None,
) -> list[Widened]:
    """Migrate environments of a database to their newest migrations; make their schemas if need be.

    Args:
        db: alias of a writable database.
        schema: which schema of a multi-schema environment. A single-schema environment knows its own.
        environment: name of the environment; all that the database hosts if left out.
        big_ints: afterwards turn 32-bit integer columns, their sequences and the foreign keys to them into 64-bit ones.
        lock_timeout: how long a migration waits for a lock on a table, as PostgreSQL writes it: "5s", "200ms".

    Returns:
        The tables that `big_ints` rewrote.

    Raises:
        ConfigError: the database hosts no such environment; or a multi-schema one is meant and no schema was given.
        InvalidSchemaName: the name breaks the rules for schema names.
        SchemaExists: the schema belongs to somebody else.
        SchemaLocked: a lock was not had in that time.
    """
    names = environments_on(db) if environment is None else (declared(environment).name,)
    if not names:
        raise ConfigError(f"Database {db!r} hosts no environment: name some in ENVIRONMENTS of DATABASES[{db!r}].")
    widened: list[Widened] = []
    for alias in [
        _place(db, schema, name) for name in sorted(names, key=lambda name: not declared(name).single_schema)
    ]:
        migrate_target(target_of(alias), lock_timeout=lock_timeout)
        if big_ints:
            widened += widen_integers(alias)
    return widened


def flush(db: str, schema: str) -> None:
    """Drop a schema and all that is in it.

    Raises:
        InvalidSchemaName: `public`, `pg_*`, `information_schema` or no valid name.
        SchemaDoesNotExist: there is no such schema.
        SchemaExists: django_schemas did not make it.
    """
    drop_schema(db, schema)


def _place(db: str, schema: str | None, name: str) -> SchemaAlias:
    single = home(name)
    if single is not None:
        return alias_for(db, single.schema, (name,))
    if schema is None:
        raise ConfigError(f"Environment {name!r} has many schemas: say which one is to be migrated on {db!r}.")
    return alias_for(db, schema, (name,))

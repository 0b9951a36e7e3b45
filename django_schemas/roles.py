"""A role for each schema, which may touch what is in it and nothing else: names, makes, renames and drops it.

Who serves logs in as a role that may do nothing in these schemas itself, but may become each of theirs: `confining`
has it become one, for a statement or a transaction. Who migrates is another login, which owns the schemas.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from django.db import connections

from .alias import SchemaAlias
from .identifiers import MAX_BYTES, quote

__all__ = [
    "dropping",
    "give",
    "giving",
    "lacking",
    "login_of",
    "name_of_role",
    "renaming",
    "rights",
    "role_of",
    "serve",
]

_RIGHTS = ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT, UPDATE ON SEQUENCES")
"""What who serves may do with what is in a schema, as default privileges say it. Sequences give keys to new rows."""

Login = Callable[[str, str], str | None]
"""Is given an environment and the alias of a writable database, tells the login that serves it; None: no roles."""

_logins: list[Login] = []
_databases: dict[tuple[str, str], str] = {}
"""What PostgreSQL calls a database, by its alias and its name there, which may be a pooler's."""


def serve(login: Login) -> None:
    """Have the schemas of an environment have roles, which a login may become, where a function names a login."""
    _logins.append(login)


def login_of(environment: str, db: str) -> str | None:
    """The login that serves the schemas of an environment in a database; None if they have no roles."""
    return next((found for login in _logins if (found := login(environment, db)) is not None), None)


def role_of(schema: str, login: str, connection: Any) -> str:
    """The name of the role of a schema in the database of a connection, which this login may become."""
    key = (connection.alias, connection.settings_dict["NAME"])
    database = _databases.get(key)
    if database is None:
        # By the driver's own cursor: who asks may be about to send a statement by one of ours.
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.current_database()")
            database = _databases[key] = str(cursor.fetchone()[0])
    return name_of_role(login, database, schema)


def name_of_role(login: str, database: str, schema: str) -> str:
    """The name of a schema's role: `login.database.schema`, since roles are of the whole server; cut if too long.

    Args:
        login: who serves.
        database: what PostgreSQL calls the database.
        schema: name of the schema.
    """
    name = f"{login}.{database}.{schema}".encode()
    if len(name) <= MAX_BYTES:
        return name.decode()
    return f"{name[: MAX_BYTES - 17].decode(errors='ignore')}.{sha256(name).hexdigest()[:16]}"


def giving(alias: SchemaAlias) -> tuple[str, ...]:
    """Statements that make a schema's role, if it is not there, and give it and its login their rights; none without
    roles.

    What is made in the schema later is given by default privileges, of whoever runs this.
    """
    login, connection = login_of(alias.environment, alias.db), connections[alias.db]
    if login is None:
        return ()
    role = quote(role_of(alias.schema, login, connection))
    # From PostgreSQL 16 a grant says itself whether its rights come without asking; before that the login says it.
    options = " WITH INHERIT FALSE" if connection.pg_version >= 160000 else ""  # type: ignore[attr-defined]
    return (
        _unless("duplicate_object", f"CREATE ROLE {role} NOLOGIN"),
        f"GRANT {role} TO {quote(login)}{options}",
        *rights(quote(alias.schema), role),
    )


def give(alias: SchemaAlias) -> None:
    """Make a schema's role, if it is not there, and give it its rights; nothing is done without roles."""
    if statements := giving(alias):
        with connections[alias.db].cursor() as cursor:
            cursor.execute("; ".join(statements))


def lacking(db: str, environment: str, schemas: Sequence[str]) -> list[str]:
    """Which of these schemas have no role that their login may become and that may use them; none without roles."""
    login = login_of(environment, db)
    if login is None:
        return []
    connection: Any = connections[db]
    names = [role_of(schema, login, connection) for schema in schemas]
    with connection.cursor() as cursor:
        cursor.execute(_LACKING, [list(schemas), names, login])
        return [schema for (schema,) in cursor.fetchall()]


_LACKING = """
    SELECT wanted.schema FROM unnest(%s::text[], %s::text[]) AS wanted (schema, role)
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_roles r
        JOIN pg_catalog.pg_auth_members m ON m.roleid = r.oid
        JOIN pg_catalog.pg_roles l ON l.oid = m.member
        WHERE l.rolname = %s AND r.rolname = wanted.role AND has_schema_privilege(r.oid, wanted.schema, 'USAGE')
    )
"""


def rights(schema: str, role: str) -> tuple[str, ...]:
    """Statements that let a role read and write what is, and will be, in a schema; both are quoted."""
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        *(
            statement
            for each in _RIGHTS
            for statement in (
                f"GRANT {each.replace(' ON ', ' ON ALL ')} IN SCHEMA {schema} TO {role}",
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {each} TO {role}",
            )
        ),
    )


def renaming(alias: SchemaAlias, new: str) -> tuple[str, ...]:
    """Statements that name the role of a schema after its new name; none without roles."""
    login = login_of(alias.environment, alias.db)
    if login is None:
        return ()
    former, role = (quote(role_of(schema, login, connections[alias.db])) for schema in (alias.schema, new))
    return (_unless("undefined_object", f"ALTER ROLE {former} RENAME TO {role}"),)


def dropping(alias: SchemaAlias) -> tuple[str, ...]:
    """Statements that drop the role of a schema that was dropped; none without roles."""
    login = login_of(alias.environment, alias.db)
    if login is None:
        return ()
    role = quote(role_of(alias.schema, login, connections[alias.db]))
    # One that has rights elsewhere is not of this schema alone.
    return (_unless("undefined_object OR dependent_objects_still_exist", f"DROP ROLE {role}"),)


def _unless(condition: str, statement: str) -> str:
    """A statement that does nothing where it fails for this reason."""
    return f"DO $schemas$ BEGIN {statement}; EXCEPTION WHEN {condition} THEN NULL; END $schemas$"

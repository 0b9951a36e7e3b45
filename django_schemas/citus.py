"""Citus: what a database of its is told beside what PostgreSQL is, and whether it is one.

A multi-schema environment's schemas are distributed: all tables of one stand on one node. Whoever is about to change
structure asks here; where `DATABASES` does not say `CITUS`, nothing is asked of the server and nothing else is sent.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import OperationalError, connections

from . import conf
from .alias import SchemaAlias
from .environments import environment, environments, primary_of
from .exceptions import ConfigError
from .identifiers import qualified, quote
from .roles import login_of
from .target import migrating

__all__ = [
    "OLDEST",
    "asked_everywhere",
    "check_servers",
    "citus_invalid",
    "create_schema",
    "has_citus",
    "is_distributed",
    "refuse_others",
    "roles_on_citus",
    "set_on_workers",
    "settle",
    "settle_sql",
]

OLDEST = 12
"""The first major version of Citus that distributes schemas."""

_VERSION = "SELECT split_part(extversion, '.', 1)::int FROM pg_catalog.pg_extension WHERE extname = 'citus'"
_COORDINATOR = """
    SELECT (SELECT groupid FROM pg_catalog.pg_dist_local_group),
           EXISTS (SELECT FROM pg_catalog.pg_dist_node WHERE groupid = 0)
"""
_EVERYWHERE = """
    SELECT d.nodename || ':' || d.nodeport, r.success, r.result
    FROM run_command_on_all_nodes(%s) r JOIN pg_catalog.pg_dist_node d USING (nodeid)
"""
_SHARDING = "citus.enable_schema_based_sharding"

_SETTLE = "public.django_schemas_settle"
"""Has the session of a worker, where SET CONSTRAINTS is not heard, check what its transaction put off."""
# Of several that make it at once, all but the first would fail.
_CREATE_SETTLE = f"""DO $make$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('{_SETTLE}', 0));
    -- Looked for in the table itself: what to_regprocedure() goes by may be older than the lock.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname = 'django_schemas_settle') THEN
        CREATE FUNCTION {_SETTLE}() RETURNS void LANGUAGE plpgsql AS $settle$
        BEGIN SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; END $settle$;
    END IF;
END $make$"""


def has_citus(connection: Any) -> bool:
    """Whether the settings say that a connection leads to a coordinator of Citus."""
    return bool(connection.settings_dict.get("CITUS"))


def is_distributed(connection: Any) -> bool:
    """Whether what is migrated just now on a connection is distributed."""
    target = migrating(connection.alias)
    return (
        has_citus(connection)
        and target is not None
        and target.environment is not None
        and not environment(target.environment).single_schema
    )


def create_schema(alias: SchemaAlias, sql: str) -> tuple[str, ...]:
    """What makes a schema by this statement, in a transaction: distributed where Citus is and there are many of it.

    Raises:
        ConfigError: the settings say Citus, and the server has none.
    """
    connection = connections[alias.db]
    if not has_citus(connection):
        return (sql,)
    refuse_others(connection)
    on = "off" if environment(alias.environment).single_schema else "on"
    return (f"SET LOCAL {_SHARDING} TO {on}", sql, f"SET LOCAL {_SHARDING} TO DEFAULT")


_known: set[tuple[Any, ...]] = set()
"""Databases in which Citus was found."""


def refuse_others(connection: Any) -> None:
    """Raise ConfigError unless a connection leads to a coordinator of Citus; each database is asked once.

    A setting of Citus's that PostgreSQL does not know is accepted by it in silence.
    """
    key = tuple(connection.settings_dict[name] for name in ("HOST", "PORT", "NAME"))
    if key in _known:
        return
    for fault, remedy in _faults(connection):
        raise ConfigError(f"{fault} {remedy}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure(%s) IS NOT NULL", [f"{_SETTLE}()"])
        (there,) = cursor.fetchone()
        if not there:
            cursor.execute(_CREATE_SETTLE)
    # What was made just now may yet be rolled back.
    if there or not connection.in_atomic_block:
        _known.add(key)


def asked_everywhere(cursor: Any, statement: str, parameters: Sequence[Any], needed: Collection[str]) -> list[Any]:
    """The rows that a statement which reads a catalog answers with, on all nodes: what is told here of tables whose
    rows are on a worker is told of empty ones.

    Args:
        cursor: of the coordinator.
        statement: without a semicolon.
        parameters: the statement's.
        needed: addresses of the nodes without which the answer is none.

    Raises:
        OperationalError: one of these did not answer.
    """
    composed = cursor.db.ops.compose_sql(statement, parameters)
    each = f"SELECT coalesce(json_agg(to_json(found)), '[]') FROM ({composed}) AS found"
    cursor.execute(_EVERYWHERE, [each])
    answers = cursor.fetchall()
    for address, success, result in answers:
        if not success and address in needed:
            raise OperationalError(f"Node {address} of Citus did not answer: {result}")
    return [tuple(row.values()) for _, success, result in answers if success for row in json.loads(result)]


def set_on_workers(cursor: Any, settings: Mapping[str, str]) -> None:
    """Have settings hold on the workers until the open transaction ends: what they evaluate goes by their own."""
    ops: Any = cursor.db.ops
    cursor.execute("SET LOCAL citus.propagate_set_commands TO 'local'")
    for name, value in settings.items():
        # Each by itself: Citus sends on the message as it came.
        cursor.execute(ops.compose_sql(f"SET LOCAL {name} TO %s", [value]))
    cursor.execute("SET LOCAL citus.propagate_set_commands TO DEFAULT")


def settle_sql(schema: str | None = None) -> str:
    """The statement that has the node of a distributed schema check what the open transaction put off there.

    Args:
        schema: its name; the one that is looked into if None.
    """
    # Of a table that each schema has: the node's session for it is that for all of the schema.
    table = quote("django_migrations") if schema is None else qualified(schema, "django_migrations")
    return f"SELECT {_SETTLE}() FROM (SELECT count(*) FROM {table}) AS node"


def settle(connection: Any, schema: str) -> None:
    """Have the node of a schema check what waits there, if that is in a database of Citus's."""
    if not has_citus(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [qualified(schema, "django_migrations")])
        if cursor.fetchone() == (True,):
            cursor.execute(settle_sql(schema))


def _faults(connection: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a database's setting CITUS, and what to do; nothing further is looked for behind it."""
    db = connection.alias
    with connection.cursor() as cursor:
        version = _version(cursor)
        if version is None:
            yield (
                f"DATABASES[{db!r}]['CITUS'] is True, and database {connection.settings_dict['NAME']!r} of that server "
                "has no extension citus.",
                "Take CITUS out; or say CREATE EXTENSION citus there and on each worker, and citus_add_node() of each.",
            )
            return
        if version < OLDEST:
            yield (
                f"Database {db!r} has Citus {version}, which distributes no schemas.",
                f"Citus {OLDEST} or newer is needed.",
            )
            return
        cursor.execute(_COORDINATOR)
        group, known = cursor.fetchone()
        if group != 0:
            yield (
                f"Database {db!r} is a worker of Citus, where structure can't be changed.",
                "Have HOST and PORT be the coordinator's.",
            )
        elif not known:
            yield (
                f"The coordinator of Citus at {db!r} does not know its own address, which shared tables need.",
                "Say SELECT citus_set_coordinator_host('HOST', PORT) there.",
            )


def citus_invalid() -> Iterator[CheckMessage]:
    """E028: a database says of Citus what means nothing."""
    for db, options in conf.databases().items():
        if "CITUS" in options and (options["CITUS"] not in (True, False) or primary_of(db) != db):
            yield Error(
                f"DATABASES[{db!r}]['CITUS'] is {options['CITUS']!r}.",
                hint="Only a writable database may have it: True, if HOST is the coordinator of a Citus cluster.",
                id="django_schemas.E028",
            )


def roles_on_citus() -> Iterator[CheckMessage]:
    """E033: schemas have roles, as which Citus would log in to its workers, and they may not log in."""
    for db, options in conf.databases().items():
        for name in options.get("ENVIRONMENTS", ()) if options.get("CITUS") else ():
            if name in environments() and login_of(name, db) is not None:
                yield Error(
                    f"The schemas of environment {name!r} have roles, and database {db!r} is of Citus.",
                    hint="Citus logs in to its workers as the role that is set, and these can't: leave roles out, or "
                    "have these schemas in a database without Citus.",
                    id="django_schemas.E033",
                )


@register("django_schemas", Tags.database)
def check_servers(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check the setting CITUS against the servers of the databases that `check --database` names."""
    return [message for db in databases or () if primary_of(db) == db for message in _server_differs(db)]


def _server_differs(db: str) -> Iterator[CheckMessage]:
    """E029, E032: the settings say Citus and the server has none, or the other way round."""
    connection: Any = connections[db]
    if not conf.databases()[db].get("ENVIRONMENTS") or connection.vendor != "postgresql":
        return
    if has_citus(connection):
        for fault, remedy in _faults(connection):
            yield Error(fault, hint=remedy, id="django_schemas.E029")
        return
    with connection.cursor() as cursor:
        version = _version(cursor)
    if version is not None:
        yield Error(
            f"Database {db!r} has the extension citus, and DATABASES[{db!r}] does not say CITUS.",
            hint="Say 'CITUS': True, or its schemas all stay on the coordinator.",
            id="django_schemas.E032",
        )


def _version(cursor: Any) -> int | None:
    """The major version of Citus in a database; None if it has none."""
    cursor.execute(_VERSION)
    row = cursor.fetchone()
    return None if row is None else int(row[0])

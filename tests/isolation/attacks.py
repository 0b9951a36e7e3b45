"""SQL injections: what somebody types into a view that pastes it into a statement, and how it shows that it worked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["ATTACKS", "Attack", "Attempt"]

SECRET = "SECRET"
"""What rows of the other tenant, of the registry, and of statements of others hold."""


@dataclass
class Attempt:
    """What came of an attack, while its transaction is open.

    Attributes:
        shown: what the view shows; the message of the error, if it failed.
        failed: whether it did.
        took_s: how long it took, in seconds.
        ask: asks the database as somebody who may see it.
        orm: reads the tags of the tenant that was attacked, as the next statement of its view might.
        raw: reads the other tenant's tags by unqualified SQL on this connection, as another request might.
    """

    shown: str
    failed: bool
    took_s: float
    ask: Callable[[str], Any]
    orm: Callable[[], str]
    raw: Callable[[], str]


Judge = Callable[[Attempt], bool]


@dataclass(frozen=True)
class Attack:
    """Something that is typed.

    Attributes:
        name: what it is after, as the documentation has it.
        typed: the text; `{a}` is the schema of the tenant that is attacked from, `{b}` that of another, `{role}` what
            the other's statements run as.
        worked: tells whether it worked.
    """

    name: str
    typed: str
    worked: Judge


def shows(what: str) -> Judge:
    """It is shown, in an error's message too."""
    return lambda attempt: what in attempt.shown


def changes(sql: str) -> Judge:
    """It did not fail, and something is so behind it."""
    return lambda attempt: not attempt.failed and bool(attempt.ask(sql))


def nested(column: str, table: str) -> str:
    """A statement within a statement, whatever the server was built with: what a column holds."""
    return (
        f"(SELECT string_agg(word, ' ') FROM ts_stat($$SELECT array_to_tsvector(ARRAY[{column}::text]) FROM {table}$$))"
    )


def lacks(schema: str, table: str) -> str:
    """Asks the catalog, which all may read, whether a table is not there."""
    return f"SELECT WHERE NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = '{schema}' AND tablename = '{table}')"


TAGS_OF_B = 'SELECT witness FROM "{b}".garage_tag'
NESTED_B = nested("witness", '"{b}".garage_tag')
ATTACKS = [
    # What one statement can do.
    Attack("another tenant's rows, by UNION", f"' UNION SELECT '', witness FROM ({TAGS_OF_B}) AS t --", shows(SECRET)),
    Attack(
        "whether another tenant has a row (blind)",
        f"' OR EXISTS ({TAGS_OF_B} WHERE witness = 'SECRET') --",
        lambda attempt: "'red'" in attempt.shown,
    ),
    Attack("a row in an error's message", f"' AND 1 = ({TAGS_OF_B} LIMIT 1)::int --", shows(f'"{SECRET}')),
    Attack("another tenant's rows, by ts_stat", f"' UNION SELECT '', {NESTED_B} --", shows(SECRET)),
    Attack(
        "another tenant's rows, in the planner's statistics",
        "' UNION SELECT '', most_common_vals::text FROM pg_stats WHERE schemaname = '{b}' --",
        shows(SECRET),
    ),
    Attack(
        "how many rows another tenant has",
        "' UNION SELECT relname::text, reltuples::text FROM pg_class WHERE relnamespace = "
        "(SELECT oid FROM pg_namespace WHERE nspname = '{b}') --",
        shows("('garage_tag', '50')"),
    ),
    Attack("the list of tenants", "' UNION SELECT slug, name FROM registry.tenancy_tenant --", shows(SECRET)),
    Attack(
        "passwords of the platform's users",
        "' UNION SELECT username, password FROM registry.auth_user --",
        shows(SECRET),
    ),
    Attack(
        "statements that others are running",
        "' UNION SELECT usename::text, query FROM pg_stat_activity WHERE pid <> pg_backend_pid() --",
        shows(SECRET),
    ),
    Attack(
        "tables and columns of another tenant",
        "' UNION SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{b}' --",
        shows("garage_tag"),
    ),
    Attack(
        "names of schemas, so of tenants", "' UNION SELECT nspname::text, '' FROM pg_namespace --", shows("'secret'")
    ),
    Attack("a file of the server", "' UNION SELECT '', pg_read_file('PG_VERSION') --", lambda each: not each.failed),
    Attack("files' names", "' UNION SELECT '', pg_ls_dir('.') --", lambda each: not each.failed),
    Attack("a file, as a large object", "' UNION SELECT '', lo_import('PG_VERSION')::text --", lambda e: not e.failed),
    Attack(
        "another role within the statement, for the registry",
        "' UNION SELECT set_config('role', 'none', true), " + nested("name", "registry.tenancy_tenant") + " --",
        shows(SECRET),
    ),
    Attack(
        "another role within the statement, for another tenant",
        "' UNION SELECT set_config('role', '{role}', true), " + NESTED_B + " --",
        shows(SECRET),
    ),
    Attack(
        "another tenant's sequence",
        """' UNION SELECT setval(pg_get_serial_sequence('"{b}".garage_tag', 'id'), 1)::text, '' --""",
        lambda each: not each.failed,
    ),
    Attack(
        "ending others' sessions",
        "' UNION SELECT pg_terminate_backend(pid)::text, '' FROM pg_stat_activity WHERE query LIKE '%SECRET%' "
        "AND pid <> pg_backend_pid() OR application_name = 'victim' --",
        shows("'true'"),
    ),
    Attack(
        "search_path of the session, for the statements behind it",
        "' UNION SELECT set_config('search_path', '\"{b}\"', false), '' --",
        lambda each: not each.failed and SECRET in each.orm(),
    ),
    Attack("keeping a connection busy", "' UNION SELECT pg_sleep(3)::text, '' --", lambda each: each.took_s > 2),
    Attack(
        "a lock that others may want",
        "' UNION SELECT pg_advisory_lock(4711)::text, '' --",
        changes("SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"),
    ),
    Attack(
        "storing large objects",
        "' UNION SELECT lo_from_bytea(0, 'x')::text, '' --",
        changes("SELECT FROM pg_largeobject_metadata"),
    ),
    # What takes a second statement.
    Attack(
        "another tenant's rows, by a second statement", f"'; SELECT '', witness FROM ({TAGS_OF_B}) t --", shows(SECRET)
    ),
    Attack(
        "changing another tenant's rows",
        "'; UPDATE \"{b}\".garage_tag SET name = 'x'; SELECT '', '' --",
        changes("SELECT FROM \"{b}\".garage_tag WHERE name = 'x'"),
    ),
    Attack(
        "deleting another tenant's rows",
        "'; DELETE FROM \"{b}\".garage_tag; SELECT '', '' --",
        changes('SELECT WHERE NOT EXISTS (SELECT FROM "{b}".garage_tag)'),
    ),
    Attack(
        "dropping another tenant's table",
        "'; DROP TABLE \"{b}\".garage_car_tags; SELECT '', '' --",
        changes(lacks("{b}", "garage_car_tags")),
    ),
    Attack(
        "dropping another tenant's schema",
        "'; DROP SCHEMA \"{b}\" CASCADE; SELECT '', '' --",
        changes(lacks("{b}", "garage_tag")),
    ),
    Attack(
        "dropping one's own table",
        "'; DROP TABLE \"{a}\".garage_car_tags; SELECT '', '' --",
        changes(lacks("{a}", "garage_car_tags")),
    ),
    Attack(
        "planting a function in one's own schema",
        "'; CREATE FUNCTION \"{a}\".lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $$x$$'; SELECT '', '' --",
        changes("SELECT FROM pg_proc WHERE proname = 'lower' AND proargtypes = '1043'"),
    ),
    Attack(
        "opening one's own tables to everybody",
        "'; GRANT SELECT ON \"{a}\".garage_tag TO PUBLIC; SELECT '', '' --",
        changes("SELECT FROM pg_class WHERE relname = 'garage_tag' AND relacl::text ~ '[{,]=r'"),
    ),
    Attack(
        "a temporary table in the way of others' raw SQL",
        "'; CREATE TEMP TABLE garage_tag AS SELECT 1 AS id, 'planted' AS witness; "
        "GRANT ALL ON pg_temp.garage_tag TO PUBLIC; SELECT '', '' --",
        lambda each: not each.failed and "planted" in each.raw(),
    ),
    Attack(
        "the login itself, for the registry",
        "'; RESET ROLE; SELECT slug, name FROM registry.tenancy_tenant --",
        shows(SECRET),
    ),
    Attack(
        "another tenant's role",
        f"'; SET LOCAL ROLE \"{{role}}\"; SELECT '', witness FROM ({TAGS_OF_B}) AS t --",
        shows(SECRET),
    ),
    Attack(
        "the login itself, within a block of code",
        "'; DO $$ BEGIN RESET ROLE; UPDATE registry.tenancy_tenant SET name = 'x'; END $$; SELECT '', '' --",
        changes("SELECT FROM registry.tenancy_tenant WHERE name = 'x'"),
    ),
    Attack("a program on the server", "'; COPY (SELECT 1) TO PROGRAM 'true'; SELECT '', '' --", lambda e: not e.failed),
    Attack("a new role", "'; CREATE ROLE sesame_thief LOGIN; SELECT '', '' --", lambda each: not each.failed),
]

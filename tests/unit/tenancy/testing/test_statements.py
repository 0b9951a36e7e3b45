"""What is read in the text of statements; PostgreSQL's own parser reads the same in them."""

import pytest

from tenancy.testing.statements import Named, Refused, read
from tools.sql import Kind, statements_of

QUERIES = {
    'SELECT "t"."id" FROM "acme"."t" WHERE "t"."x" = %s': {"acme.t"},
    'SELECT 1 FROM "acme"."t" T2 INNER JOIN "globex"."u" ON (T2."id" = "u"."t_id"), "b"."v" LIMIT 3': {
        "acme.t",
        "b.v",
        "globex.u",
    },
    'SELECT COUNT(*) FROM (SELECT DISTINCT "t"."x" FROM "acme"."t" GROUP BY "t"."x", "t"."y") subquery': {"acme.t"},
    'SELECT "t"."id" FROM "acme"."t" WHERE EXISTS(SELECT 1 AS "a" FROM "globex"."u" WHERE "u"."id" = ("t"."id"))': {
        "acme.t",
        "globex.u",
    },
    'SELECT EXTRACT(YEAR FROM "t"."at" AT TIME ZONE %s), SUBSTRING("t"."x" FROM 2), TRIM(BOTH FROM "t"."x")'
    ' FROM "acme"."t" WHERE "t"."x" IS DISTINCT FROM "t"."y" AND "t"."x" IS NOT DISTINCT FROM "t"."z"': {"acme.t"},
    'SELECT "t"."id" FROM "acme"."t" FOR UPDATE OF "t" SKIP LOCKED': {"acme.t"},
    'SELECT 1 FROM "acme"."t" FOR NO KEY UPDATE': {"acme.t"},
    '(SELECT "t"."id" FROM "acme"."t") UNION ALL (SELECT "u"."id" FROM "globex"."u")': {"acme.t", "globex.u"},
    "SELECT Subject FROM GlobeX.Ticket": {"globex.ticket"},
    'SELECT * FROM ticket, ONLY "a ""b"""."c.d" x': {"ticket", 'a "b".c.d'},
    "SELECT 'FROM globex.t', e'it\\'s FROM globex.t', $$ FROM globex.t $$, $x$ FROM $$ globex.t $x$ -- FROM globex.t\n"
    "/* FROM globex.t */ FROM acme.t": {"acme.t"},
    "WITH x AS (SELECT * FROM acme.t), y (a, b) AS MATERIALIZED (SELECT * FROM x) SELECT * FROM y, x, acme.u": {
        "acme.t",
        "acme.u",
    },
    "SELECT * FROM generate_series(1, 3) AS n, LATERAL (SELECT n FROM acme.t) l, unnest(%s::text[]) m": {"acme.t"},
    "SELECT * FROM (acme.t JOIN globex.u USING (id, x)) JOIN acme.v ON true": {"acme.t", "globex.u", "acme.v"},
    "EXPLAIN (ANALYZE) SELECT * FROM acme.t": {"acme.t"},
    "VALUES (1), (2)": set(),
    'SAVEPOINT "s1_x1"': set(),
    "SET LOCAL statement_timeout = 1": set(),
    "SET CONSTRAINTS ALL IMMEDIATE": set(),
    "RESET search_path": set(),
}
CHANGES = {
    'INSERT INTO "acme"."t" ("id", "x") VALUES (%s, %s), (%s, %s) RETURNING "t"."id"': {"acme.t!"},
    'INSERT INTO "acme"."t" ("id") SELECT "u"."id" FROM "globex"."u" ON CONFLICT("id") DO UPDATE SET "x" = 1': {
        "acme.t!",
        "globex.u",
    },
    'UPDATE "acme"."t" SET "x" = %s WHERE "t"."id" IN (SELECT U0."id" FROM "globex"."u" U0)': {"acme.t!", "globex.u"},
    "UPDATE ONLY acme.t SET x = u.x FROM globex.u, acme.v": {"acme.t!", "globex.u", "acme.v"},
    'DELETE FROM "acme"."t" USING globex.u WHERE "t"."id" = %s': {"acme.t!", "globex.u"},
    "TRUNCATE TABLE acme.t": {"acme.t!"},
    'TRUNCATE "acme"."t", "acme"."u" CASCADE': {"acme.t!", "acme.u!"},
    "LOCK TABLE acme.t, acme.u IN SHARE MODE": {"acme.t!", "acme.u!"},
    "WITH gone AS (DELETE FROM acme.t RETURNING *) INSERT INTO globex.u SELECT * FROM gone": {"acme.t!", "globex.u!"},
    "MERGE INTO acme.t USING globex.u ON t.id = u.id WHEN MATCHED THEN UPDATE SET x = u.x": {"acme.t!", "globex.u"},
    "SELECT * INTO globex.t FROM acme.t": {"globex.t!", "acme.t"},
    "SELECT 1; UPDATE acme.t SET x = 1; SELECT * FROM globex.u": {"acme.t!", "globex.u"},
}


def words(names: frozenset[Named]) -> set[str]:
    return {f"{f'{each.schema}.' if each.schema else ''}{each.name}{'!' * each.written}" for each in names}


@pytest.mark.parametrize("sql", {**QUERIES, **CHANGES})
def test_tables(sql: str) -> None:
    """Each table is named, with its schema if it has one, and marked if it is changed; nothing else is."""
    assert words(read(sql)) == {**QUERIES, **CHANGES}[sql]


@pytest.mark.parametrize("sql", {**QUERIES, **CHANGES})
def test_as_the_parser(sql: str) -> None:
    """PostgreSQL's own parser finds the same tables."""
    found = {name for each in statements_of(sql, "%s" in sql) for name in each.names if name.kind is Kind.TABLE}
    assert {(each.schema, each.name) for each in read(sql)} == {(each.schema, each.name) for each in found}


def test_functions() -> None:
    """A function that is named with its schema counts, wherever it stands; one without does not."""
    assert words(read("SELECT globex.f(1), lower(x) FROM acme.g(2), h(3)")) == {"globex.f", "acme.g"}


@pytest.mark.parametrize(
    ("sql", "reason"),
    {
        "SET search_path TO globex": "sets search_path",
        "SET LOCAL search_path = globex": "sets search_path",
        "SELECT 1; SET SESSION search_path TO globex": "sets search_path",
        "SELECT set_config('search_path', 'globex', true)": "sets search_path",
        "SELECT set_config(E'Search_Path', 'globex', true)": "sets search_path",
        "DO $$ BEGIN DELETE FROM globex.t; END $$": "neither a query nor a change of rows: DO",
        "CREATE TABLE t (x int)": "neither a query nor a change of rows: CREATE",
        "SELECT 1; CALL p()": "neither a query nor a change of rows: CALL",
        "COPY globex.t TO STDOUT": "neither a query nor a change of rows: COPY",
        "EXECUTE prepared": "neither a query nor a change of rows: EXECUTE",
        'SELECT * FROM U&"gl\\006fbex".t': "written as U&",
        "SELECT 1 /* /* */ FROM globex.t */": "comment in a comment",
        "SELECT 1 FROM 'globex": "quote that does not end",
    }.items(),
)
def test_refused(sql: str, reason: str) -> None:
    """What can't be told from the text is refused."""
    with pytest.raises(Refused, match=reason):
        read(sql)

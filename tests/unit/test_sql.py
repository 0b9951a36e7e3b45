"""What SQL statements name, by their text alone."""

import pytest

from tools.sql import Setting, Unreadable, identifiers, statements_of


def named(sql: str, has_params: bool = False) -> list[str]:
    """The names of all statements of a text, tables without saying so."""
    return sorted(str(name).removeprefix("table ") for each in statements_of(sql, has_params) for name in each.names)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", []),
        ('SELECT "t"."id" FROM "acme"."t" INNER JOIN u ON t.u = u.id', ["'t' in 'acme'", "'u'"]),
        ("SELECT 1 FROM acme.t WHERE EXISTS (SELECT 1 FROM u WHERE u.id IN (SELECT v FROM acme.w))",
         ["'t' in 'acme'", "'u'", "'w' in 'acme'"]),
        ("SELECT (SELECT max(id) FROM u) FROM acme.t ORDER BY (SELECT 1 FROM v)", ["'t' in 'acme'", "'u'", "'v'"]),
        ("SELECT 1 FROM acme.t UNION (SELECT 2 FROM u EXCEPT TABLE v)", ["'t' in 'acme'", "'u'", "'v'"]),
        ("SELECT 1 FROM acme.t, LATERAL (SELECT 1 FROM u WHERE u.id = t.id) x", ["'t' in 'acme'", "'u'"]),
        ("SELECT rank() OVER (PARTITION BY (SELECT 1 FROM u)) FROM acme.t", ["'t' in 'acme'", "'u'"]),
        ("SELECT 1 FROM acme.t AS x FOR UPDATE OF x", ["'t' in 'acme'"]),
        ("INSERT INTO t (a) SELECT a FROM u ON CONFLICT DO NOTHING RETURNING (SELECT 1 FROM v)", ["'t'", "'u'", "'v'"]),
        ("UPDATE acme.t SET a = (SELECT 1 FROM u) FROM v WHERE v.id = t.id", ["'t' in 'acme'", "'u'", "'v'"]),
        ("DELETE FROM t USING u WHERE u.id = t.id", ["'t'", "'u'"]),
        ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", ["'t'", "'u'"]),
        ("TRUNCATE acme.t, u CASCADE", ["'t' in 'acme'", "'u'"]),
        ("LOCK TABLE t IN EXCLUSIVE MODE", ["'t'"]),
        ("COPY t TO STDOUT", ["'t'"]),
        ("EXPLAIN (ANALYZE) SELECT 1 FROM t", ["'t'"]),
        ("PREPARE p AS SELECT 1 FROM t WHERE id = $1", ["'t'"]),
        ("DECLARE c CURSOR FOR SELECT 1 FROM t", ["'t'"]),
        ("SELECT 1 FROM t; SELECT 1 FROM u", ["'t'", "'u'"]),
        ('SELECT 1 FROM "T"', ["'T'"]),
        ("SELECT 1 FROM T", ["'t'"]),
    ],
)  # fmt: skip
def test_tables_of_queries(sql: str, names: list[str]) -> None:
    """Every table of a statement is named, wherever it stands, and what is none is not."""
    assert named(sql) == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("WITH c AS (SELECT 1 FROM t) SELECT 1 FROM c", ["'t'"]),
        ("WITH c AS (SELECT 1 FROM c) SELECT 1 FROM c", ["'c'"]),
        ("WITH RECURSIVE c AS (SELECT 1 FROM t UNION ALL SELECT 1 FROM c) SELECT 1 FROM c", ["'t'"]),
        ("WITH c AS (SELECT 1), d AS (SELECT 1 FROM c) SELECT 1 FROM d WHERE 1 IN (SELECT 1 FROM c)", []),
        ("SELECT 1 FROM (WITH c AS (SELECT 1) SELECT 1 FROM c) x, c", ["'c'"]),
        ("WITH c AS (SELECT 1) SELECT 1 FROM acme.c", ["'c' in 'acme'"]),
        ("WITH c AS (DELETE FROM t RETURNING id) INSERT INTO c SELECT id FROM c", ["'c'", "'t'"]),
    ],
)
def test_names_of_a_with_are_no_tables(sql: str, names: list[str]) -> None:
    """A name that a WITH gives to a query means that query where it can be seen, and a table elsewhere."""
    assert named(sql) == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("CREATE TABLE t (u_id int REFERENCES u (id), FOREIGN KEY (v_id) REFERENCES acme.v)",
         ["'t'", "'u'", "'v' in 'acme'"]),
        ("CREATE TABLE t (LIKE u INCLUDING ALL)", ["'t'", "'u'"]),
        ("CREATE TEMPORARY TABLE x AS SELECT * FROM t", ["'t'"]),
        ("CREATE VIEW v AS SELECT 1 FROM t", ["'t'", "'v'"]),
        ("ALTER TABLE acme.t ADD CONSTRAINT f FOREIGN KEY (u_id) REFERENCES u (id)", ["'t' in 'acme'", "'u'"]),
        ("ALTER TABLE t RENAME TO u", ["'t'"]),
        ("ALTER TABLE t RENAME COLUMN a TO b", ["'t'"]),
        ("ALTER TABLE t SET SCHEMA acme", ["'t'"]),
        ("DROP TABLE t, acme.u CASCADE", ["'t'", "'u' in 'acme'"]),
        ("COMMENT ON COLUMN acme.t.a IS 'x'", ["'t' in 'acme'"]),
        ("COMMENT ON TABLE t IS NULL", ["'t'"]),
        ("GRANT SELECT ON t TO somebody", ["'t'"]),
        ("DROP TRIGGER x ON acme.t", ["'t' in 'acme'"]),
        ("CREATE INDEX i ON t (a)", ["'t'"]),
        ("DROP INDEX CONCURRENTLY IF EXISTS i, acme.j", ["index 'i'", "index 'j' in 'acme'"]),
        ("ALTER INDEX i RENAME TO j", ["index 'i'"]),
        ("REINDEX INDEX acme.i", ["index 'i' in 'acme'"]),
        ("CREATE SEQUENCE s OWNED BY acme.t.id", ["'t' in 'acme'", "sequence 's'"]),
        ("ALTER SEQUENCE acme.s RESTART", ["sequence 's' in 'acme'"]),
        ("DROP SEQUENCE s", ["sequence 's'"]),
        ("SELECT nextval('acme.s'), setval('\"S\"'::regclass, 1)", ["'S'", "sequence 'S'", "sequence 's' in 'acme'"]),
        ("SELECT setval(pg_get_serial_sequence('\"acme\".\"t\"', 'id'), 1)", ["'t' in 'acme'"]),
        ("SELECT to_regclass('t'), 'acme.u'::regclass", ["'t'", "'u' in 'acme'"]),
        ("SET CONSTRAINTS f, acme.g IMMEDIATE", ["constraint 'f'", "constraint 'g' in 'acme'"]),
        ("SET CONSTRAINTS ALL DEFERRED", []),
        ("DROP SCHEMA acme CASCADE", []),
        ("DROP FUNCTION f(int)", []),
    ],
)  # fmt: skip
def test_names_of_definitions(sql: str, names: list[str]) -> None:
    """Statements that define things name tables, and what stands beside them."""
    assert named(sql) == names


@pytest.mark.parametrize(
    ("sql", "settings"),
    [
        ('SET search_path TO acme, "$user"', [Setting("search_path", ("acme", "$user"))]),
        ("SET LOCAL search_path TO acme", [Setting("search_path", ("acme",), local=True)]),
        ("RESET search_path", [Setting("search_path")]),
        ("RESET ALL", [Setting("*")]),
        ("DISCARD ALL", [Setting("*")]),
        ("SELECT set_config('search_path', 'a, \"B\"', false)", [Setting("search_path", ("a", "B"))]),
        ("SELECT set_config('search_path', $1, true)", [Setting("search_path", ("?",), local=True)]),
        ("ALTER ROLE r SET search_path TO acme", [Setting("search_path", ("acme",))]),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = acme AS 'SELECT 1'", []),
        ("SELECT current_setting('search_path')", []),
    ],
)
def test_settings(sql: str, settings: list[Setting]) -> None:
    """What a statement sets is known, and whether it outlives the transaction."""
    assert [setting for each in statements_of(sql) for setting in each.settings] == settings


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN TRUNCATE t; END $$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM t'",
        "SELECT nextval($1)",
        "SELECT $1::regclass",
    ],
)
def test_what_can_not_be_read(sql: str) -> None:
    """Code in strings, and names that are parameters, are said to be opaque."""
    assert [len(each.opaque) for each in statements_of(sql)] == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM t WHERE a = %s AND b LIKE '%%x' AND c %% 2 = %(c)s",
        "COMMENT ON TABLE t IS %s",
        "SELECT 1 FROM t WHERE a IN %s",
    ],
)
def test_parameters(sql: str) -> None:
    """Where there are parameters, their placeholders are read as psycopg reads them."""
    assert named(sql, has_params=True) == ["'t'"]


def test_no_parameters() -> None:
    """Without parameters a per cent sign is itself."""
    assert named("SELECT 1 FROM t WHERE a % 2 = 1 AND b LIKE '%s'") == ["'t'"]
    with pytest.raises(Unreadable, match="syntax error"):
        statements_of("SELECT %s")


def test_identifiers() -> None:
    """A list of names, as the server shows search_path, is read with its quotes."""
    assert identifiers('"$user", public, "Ac""me"') == ("$user", "public", 'Ac"me')

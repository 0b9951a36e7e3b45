"""A schema that holds much is dropped in batches, with whatever kind of object is in it, and nothing of others'."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, transaction

from django_schemas import emptying
from django_schemas.schemas import Mark, drop_schema, schema_exists

pytestmark = pytest.mark.usefixtures("committed")

KINDS = """
    CREATE TABLE "crowd"."hub" (id int PRIMARY KEY);
    CREATE TABLE "crowd"."parts" (id int) PARTITION BY RANGE (id);
    CREATE TABLE "crowd"."base" (id int);
    CREATE TYPE "crowd"."mood" AS ENUM ('fine');
    CREATE DOMAIN "crowd"."small" AS int;
    CREATE TYPE "crowd"."span" AS RANGE (subtype = int);
    CREATE FUNCTION "crowd"."f"(crowd.mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE SEQUENCE "crowd"."free";
    CREATE MATERIALIZED VIEW "crowd"."seen" AS SELECT * FROM crowd.hub;
"""


def make(count: int) -> None:
    """Make a schema of ours, with tables that all refer to one, and some of everything."""
    with connection.cursor() as cursor:
        cursor.execute('CREATE SCHEMA "crowd"')
        cursor.execute(f"COMMENT ON SCHEMA \"crowd\" IS '{Mark('tenant', 'me')}'")
        cursor.execute(KINDS)
        for first in range(0, count, 500):
            cursor.execute(f"""
                DO $$ BEGIN
                FOR n IN {first} .. {min(first + 500, count) - 1} LOOP
                    EXECUTE format('CREATE TABLE crowd.t%s (id serial PRIMARY KEY, note text, hub_id int '
                                   'REFERENCES crowd.hub)', n);
                    EXECUTE format('CREATE INDEX ON crowd.t%s (hub_id)', n);
                END LOOP; END $$
            """)
        for number in range(min(count, 40)):
            cursor.execute(
                f"CREATE TABLE crowd.p{number} PARTITION OF crowd.parts FOR VALUES FROM ({number}) TO ({number + 1});"
                f"CREATE TABLE crowd.heir{number} () INHERITS (crowd.base);"
                f"CREATE VIEW crowd.v{number} AS SELECT * FROM crowd.{f'v{number - 1}' if number else 't0'};"
                f"CREATE FUNCTION crowd.g{number}(crowd.mood, text DEFAULT 'a') RETURNS int LANGUAGE sql AS 'SELECT 1';"
                f"CREATE TYPE crowd.pair{number} AS (a int, b crowd.mood);"
            )


@pytest.fixture(autouse=True)
def neighbour(committed: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA crowd_too; CREATE TABLE crowd_too.t0 AS SELECT 1 AS one")
        yield
        cursor.execute("SELECT one FROM crowd_too.t0")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("DROP SCHEMA crowd_too CASCADE; DROP SCHEMA IF EXISTS crowd CASCADE")


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_every_kind_goes(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that refer to one another, parts, heirs, views on views, functions, types, sequences."""
    monkeypatch.setattr(emptying, "BATCH", batch)
    make(40)
    drop_schema("default", "crowd")
    assert not schema_exists("default", "crowd")


def test_goes_on_where_it_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier call dropped is dropped; another one drops the rest."""
    monkeypatch.setattr(emptying, "BATCH", 7)
    make(40)

    with monkeypatch.context() as broken:
        broken.setattr(emptying, "_ROUTINES", "SELECT broken WHERE %s <> %s::text")
        with pytest.raises(Exception, match="broken"):
            drop_schema("default", "crowd")
    assert schema_exists("default", "crowd")
    drop_schema("default", "crowd")
    assert not schema_exists("default", "crowd")


@pytest.mark.long
def test_more_tables_than_locks() -> None:
    """5,000 tables, where one statement runs out of locks; the server has the usual 64 for each transaction."""
    make(5000)
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_locks_per_transaction")
        assert cursor.fetchone() == ("64",)
        with pytest.raises(OperationalError, match="out of shared memory"), transaction.atomic():
            cursor.execute("DROP SCHEMA crowd CASCADE")
    drop_schema("default", "crowd")
    assert not schema_exists("default", "crowd")

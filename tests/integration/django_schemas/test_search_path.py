"""Raw SQL in a schema: schema_cursor and `.raw()` set search_path for a transaction, and nothing is left of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connections, transaction
from django.db.models.query import RawQuerySet

from django_schemas import schema_cursor
from django_schemas.exceptions import ConfigError, InvalidSchemaName, NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Car, Owner
from tests.apps.garage.witness import Place, seen
from tests.audit.capture import raw_sql

WITNESSES = "SELECT DISTINCT witness FROM garage_owner"


def search_path(db: str = "default") -> str:
    with connections[db].cursor() as cursor:
        cursor.execute("SHOW search_path")
        value: str = cursor.fetchone()[0]
        return value


@pytest.fixture(autouse=True)
def _same_search_path(_database: None) -> Iterator[None]:
    """Behind each test the connection's search_path is what it was."""
    before = search_path()
    yield
    assert search_path() == before == '"$user", public'


def test_cursor_reads_and_writes_its_schema(acme: Place, globex: Place) -> None:
    """Unqualified names mean the schema's tables, for reading and for writing."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute(WITNESSES)
        assert cursor.fetchall() == [("default.acme",)]
        cursor.execute("UPDATE garage_owner SET name = %s WHERE name = %s", ["Ada L.", "Ada"])
        assert cursor.rowcount == 1
    assert seen(acme(Owner).objects.all()) == [("Ada L.", "default.acme"), ("Bob", "default.acme")]
    assert seen(globex(Owner).objects.all()) == [("Ada", "default.globex"), ("Bob", "default.globex")]


def test_search_path_inside_of_the_block(acme: Place) -> None:
    """It is the schema and, last, temporary tables, so that no name falls through to another; on this database only."""
    with schema_cursor("default", "acme"):
        assert (search_path(), search_path("shard2")) == ('"acme", pg_temp', '"$user", public')


def test_temporary_tables_come_last(acme: Place) -> None:
    """What somebody left on the session is not found in the place of the schema's own."""
    with connections["default"].cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE garage_owner (name text, witness text)")
    with schema_cursor("default", "acme") as cursor:
        cursor.execute(WITNESSES)
        assert cursor.fetchall() == [("default.acme",)]
    assert len(list(acme(Owner).objects.raw("SELECT * FROM garage_owner"))) == 2
    with connections["default"].cursor() as cursor, raw_sql("the temporary one"):
        cursor.execute("DROP TABLE pg_temp.garage_owner")


def test_context_does_not_matter(acme: Place, globex: Place) -> None:
    """The cursor is of the schema that is named, whatever is active, and the ORM inside of it of its own."""
    with globex.active(), schema_cursor("default", "acme") as cursor:
        assert seen(Owner.objects.named("Ada")) == [("Ada", "default.globex")]
        cursor.execute(WITNESSES)
        assert cursor.fetchall() == [("default.acme",)]


def test_cursors_nest(acme: Place, globex: Place, initech: Place) -> None:
    """A cursor inside of another is of its own schema; behind it the outer one is of its again."""
    found = []
    with schema_cursor("default", "acme") as outer:
        for schema in ("globex", "acme", "globex"):
            with schema_cursor("default", schema) as inner:
                inner.execute(WITNESSES)
                found += inner.fetchall()
            outer.execute(WITNESSES)
            found += outer.fetchall()
        with schema_cursor("shard2", "initech") as other:
            other.execute(WITNESSES)
            found += other.fetchall()
    assert [witness for (witness,) in found] == [
        "default.globex",
        "default.acme",
        "default.acme",
        "default.acme",
        "default.globex",
        "default.acme",
        "shard2.initech",
    ]


def test_error_inside_of_the_block(acme: Place) -> None:
    """What was written is rolled back with the block, the search_path is back, and the connection works."""
    with pytest.raises(ZeroDivisionError), schema_cursor("default", "acme") as cursor:
        cursor.execute("UPDATE garage_owner SET name = 'x'")
        raise ZeroDivisionError
    assert search_path() == '"$user", public'
    with pytest.raises(DatabaseError), schema_cursor("default", "acme") as cursor:
        cursor.execute("UPDATE garage_owner SET name = 'x'")
        cursor.execute("SELECT no_such_column FROM garage_owner")
    assert search_path() == '"$user", public'
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_rollback_that_is_asked_for(acme: Place) -> None:
    """Inside of a transaction, a block that is to be rolled back takes its search_path with it."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("UPDATE garage_owner SET name = 'x'")
        transaction.set_rollback(True)
    assert search_path() == '"$user", public'
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_error_inside_of_a_nested_block(acme: Place, globex: Place) -> None:
    """An inner error that is caught leaves the outer cursor in its schema."""
    with schema_cursor("default", "acme") as outer:
        with pytest.raises(DatabaseError), schema_cursor("default", "globex") as inner:
            inner.execute("SELECT no_such_column FROM garage_owner")
        outer.execute(WITNESSES)
        assert outer.fetchall() == [("default.acme",)]


def test_search_path_of_the_callers_transaction(acme: Place) -> None:
    """A search_path that the caller set for their transaction is there again behind the block."""
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL search_path TO globex, pg_catalog")
        with schema_cursor("default", "acme"):
            pass
        assert search_path() == "globex, pg_catalog"
        list(acme(Owner).objects.raw("SELECT * FROM garage_owner"))
        assert search_path() == "globex, pg_catalog"
        cursor.execute('SET LOCAL search_path TO "$user", public')


def test_outside_of_a_transaction(committed: None, acme: Place) -> None:
    """In autocommit mode the block is a transaction of its own, after which the session is as it was."""
    assert not connections["default"].in_atomic_block
    with schema_cursor("default", "acme") as cursor:
        assert connections["default"].in_atomic_block
        cursor.execute(WITNESSES)
        assert cursor.fetchall() == [("default.acme",)]
    assert not connections["default"].in_atomic_block
    assert search_path() == '"$user", public'
    with pytest.raises(DatabaseError), schema_cursor("default", "acme") as cursor:
        cursor.execute("UPDATE garage_owner SET name = 'x'")
        cursor.execute("SELECT no_such_column")
    assert search_path() == '"$user", public'
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_cursor_in_a_thread(committed: None, acme: Place, globex: Place) -> None:
    """Cursors of two threads are of their own schemas."""

    def work(schema: str) -> set[Any]:
        found = set()
        try:
            for _ in range(50):
                with schema_cursor("default", schema) as cursor:
                    cursor.execute(WITNESSES)
                    found |= set(cursor.fetchall())
            found.add(search_path())
        finally:
            connections.close_all()
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ["acme", "globex"])) == [
            {("default.acme",), '"$user", public'},
            {("default.globex",), '"$user", public'},
        ]


@pytest.mark.parametrize(
    ("db", "schema", "error"),
    [
        ("default", "Acme", InvalidSchemaName),
        ("default", 'acme", "globex', InvalidSchemaName),
        ("default", "public", InvalidSchemaName),
        ("default", "pg_catalog", InvalidSchemaName),
        ("nowhere", "acme", ConfigError),
        ("default-read1", "acme", ConfigError),
    ],
)
def test_cursor_of_no_place(db: str, schema: str, error: type[Exception], acme: Place) -> None:
    """A wrong name is an error before anything is sent."""
    with pytest.raises(error), schema_cursor(db, schema):
        pass


def test_cursor_of_the_registry(acme: Place) -> None:
    """A single-schema environment has its cursor too, without the tenants' additional schemas."""
    with schema_cursor("default", "registry") as cursor:
        cursor.execute("SELECT name, witness FROM platform_plan")
        assert cursor.fetchall() == [("gold", "default.registry")]
        with pytest.raises(DatabaseError), transaction.atomic(), raw_sql("a table that the registry does not have"):
            cursor.execute("SELECT * FROM garage_owner")


def test_raw(acme: Place, globex: Place) -> None:
    """`.raw()` of a bound model, of a model in a context and of an adopted model reads the schema."""
    sql = "SELECT * FROM garage_owner WHERE name = %s"
    assert seen(acme(Owner).objects.raw(sql, ["Ada"])) == [("Ada", "default.acme")]
    with globex.active():
        assert seen(Owner.objects.raw(sql, ["Ada"])) == [("Ada", "default.globex")]
        assert seen(acme(Owner).objects.raw(sql, ["Ada"])) == [("Ada", "default.acme")]
        assert seen(acme(Owner).objects.filter(pk=1).raw(sql, ["Ada"])) == [("Ada", "default.acme")]
    users = list(acme(User).objects.raw("SELECT * FROM auth_user"))
    assert [user.last_name for user in users] == ["default.acme"]


def test_raw_gives_objects_of_the_schema(acme: Place, globex: Place) -> None:
    """They are of the schema, can be followed and saved, and are equal to those that the ORM reads."""
    with globex.active():
        (ada,) = acme(Owner).objects.raw("SELECT id, name FROM garage_owner WHERE name = 'Ada'")
        assert (ada, ada.schema_name, ada.witness) == (acme.ada, "acme", "default.acme")
        assert seen(ada.car_set.all()) == [("Beetle", "default.acme"), ("Unimog", "default.acme")]
        ada.name = "Ada L."
        ada.save()
    assert seen(acme(Owner).objects.all()) == [("Ada L.", "default.acme"), ("Bob", "default.acme")]


def test_raw_is_lazy(acme: Place, globex: Place) -> None:
    """Made in acme it reads acme, wherever and however often it is read; nowhere it can't be made."""
    sql = "SELECT * FROM garage_owner ORDER BY name"
    with acme.active():
        raw = Owner.objects.raw(sql)
    with globex.active():
        assert seen(raw) == [("Ada", "default.acme"), ("Bob", "default.acme")]
        assert raw[0].witness == "default.acme"
        assert seen(raw.iterator()) == [("Ada", "default.acme"), ("Bob", "default.acme")]
        assert seen(raw.using("default")) == [("Ada", "default.acme"), ("Bob", "default.acme")]
        assert isinstance(raw, RawQuerySet)
        assert (len(raw), bool(raw)) == (2, True)
    with pytest.raises(NoActiveSchema):
        list(Owner.objects.raw(sql))


def test_raw_made_at_import(acme: Place, initech: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw SQL in a module that is first imported inside of acme reads, for whoever uses it, their own rows or none."""
    (tmp_path / "raw_reports.py").write_text(
        "from tests.apps.garage.models import Owner\n"
        "owners = Owner.objects.raw('SELECT * FROM garage_owner ORDER BY name')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with acme.active():
        try:
            reports = import_module("raw_reports")
        except NoActiveSchema:
            return
    with initech.active():
        assert seen(reports.owners) == [("Ada", "shard2.initech"), ("Bob", "shard2.initech")]


def test_raw_with_prefetch_and_params(acme: Place, globex: Place) -> None:
    """prefetch_related, translations and named parameters work, in the schema."""
    with globex.active():
        cars = acme(Car).objects.raw(
            "SELECT id, name AS n, witness, owner_id FROM garage_car WHERE name = %(name)s",
            params={"name": "Beetle"},
            translations={"n": "name"},
        )
        cars = cars.prefetch_related("tags", "owner")
        assert [(car.name, car.owner.witness, seen(car.tags.all())) for car in cars] == [
            ("Beetle", "default.acme", [("old", "default.acme"), ("red", "default.acme")])
        ]


def test_columns_of_raw_sql(acme: Place) -> None:
    """Asking raw SQL for its columns runs it in the schema as well: tables that are nowhere else are found."""
    with schema_cursor("default", "acme") as cursor:
        cursor.execute("CREATE TABLE only_here AS SELECT 1 AS id, 'x' AS name")
    assert acme(Owner).objects.raw("SELECT id, name FROM only_here").columns == ["id", "name"]


def test_raw_inside_of_a_block(acme: Place, globex: Place) -> None:
    """Read while rows of another schema are being read, each gets its own; nothing of it stays."""
    found = []
    with schema_cursor("default", "globex") as cursor:
        for owner in acme(Owner).objects.raw("SELECT * FROM garage_owner ORDER BY name"):
            cursor.execute("SELECT witness FROM garage_owner WHERE name = %s", [owner.name])
            found.append((owner.witness, cursor.fetchone()[0]))
    assert found == [("default.acme", "default.globex")] * 2


def test_raw_that_fails(acme: Place) -> None:
    """After an error in raw SQL the search_path is what it was."""
    with pytest.raises(DatabaseError), transaction.atomic():
        list(acme(Owner).objects.raw("SELECT id, no_such_column FROM garage_owner"))
    assert search_path() == '"$user", public'


def test_raw_using_another_schema(acme: Place, globex: Place) -> None:
    """Bound to another schema by its alias, raw SQL reads that; the plain alias of another database is refused."""
    alias = globex.ada._state.db
    assert seen(acme(Owner).objects.raw("SELECT * FROM garage_owner", using=alias)) == [
        ("Ada", "default.globex"),
        ("Bob", "default.globex"),
    ]
    with pytest.raises((NoActiveSchema, SchemaMismatch)):
        list(acme(Owner).objects.raw("SELECT * FROM garage_owner", using="shard2"))


def test_connection_cursor_knows_no_schema(acme: Place) -> None:
    """Django's own cursor is of no schema, as before; the context does not move it."""
    with acme.active(), connections["default"].cursor() as cursor, raw_sql("what the usual search_path shows"):
        cursor.execute("SELECT DISTINCT witness FROM garage_owner")
        assert cursor.fetchall() == [("public",)]

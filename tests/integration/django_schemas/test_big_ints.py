"""Widening: 32-bit integers become 64-bit ones, with their sequences and keys, and nothing gets lost."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections, transaction

from django_schemas import schema_cursor
from django_schemas.big_ints import Widened
from django_schemas.migrations import migrate
from tests.apps.garage.models import Car, Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.integration.django_schemas.catalog import catalog, integer_types

Watch = Callable[[], AbstractContextManager[list[str]]]

BIG = 2**31 + 5

WIDENED = {
    "auth_group": ("id",),
    "auth_group_permissions": ("id", "group_id", "permission_id"),
    "auth_permission": ("id", "content_type_id"),
    "auth_user": ("id",),
    "auth_user_groups": ("id", "user_id", "group_id"),
    "auth_user_user_permissions": ("id", "user_id", "permission_id"),
    "django_admin_log": ("id", "content_type_id", "user_id"),
    "django_content_type": ("id",),
    "django_migrations": ("id",),
    "garage_badge": ("id", "number", "user_id", "plan_id"),
    "garage_car": ("id", "owner_id"),
    "garage_car_tags": ("id", "car_id", "tag_id"),
    "garage_ledger": ("id", "amount"),
    "garage_lot": ("id", "position"),
    "garage_note": ("id", "object_id", "content_type_id"),
    "garage_owner": ("id", "plan_id"),
    "garage_repair": ("id", "car_id", "checked_by_id", "mechanic_id", "_order"),
    "garage_tag": ("id",),
    "garage_truck": ("car_ptr_id", "payload"),
    "django_site": ("id",),
    "signs_sign": ("id",),
}


@pytest.fixture
def place(acme: Place) -> Place:
    """A schema with witness rows, and 32-bit integers."""
    assert "integer" in integer_types("default", "acme")
    return acme


def widen(place: Place) -> list[Widened]:
    return migrate(place.db, schema=place.schema, environment="tenant", big_ints=True)


def normalized(widened: list[Widened]) -> dict[str, set[str]]:
    return {each.name: set(each.columns) for each in widened}


def test_all_columns_and_sequences(place: Place) -> None:
    """Every 32-bit column and the sequences of identity and serial columns become 64-bit; all is reported."""
    before = catalog("default", "globex"), catalog("default", "public")
    widened = widen(place)
    assert {each.name: each.columns for each in widened} == WIDENED | {"garage_ledger_id_seq": ()}
    assert integer_types("default", place.schema) == {"bigint", "smallint"}
    assert (catalog("default", "globex"), catalog("default", "public")) == before


def test_nothing_else_changes(place: Place) -> None:
    """Defaults, identities, constraints and indexes are the same, but for the type."""

    def without_types(schema: str) -> list[tuple[str, ...]]:
        return [tuple(part.replace("bigint", "integer") for part in row) for row in catalog("default", schema)]

    before = without_types(place.schema)
    widen(place)
    assert without_types(place.schema) == before


def test_rows_are_kept(place: Place) -> None:
    """All rows are there afterwards, with their keys."""

    def rows() -> dict[str, list[Any]]:
        found = {}
        with schema_cursor("default", place.schema) as cursor:
            for table in WIDENED:
                cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
                found[table] = cursor.fetchall()
        return found

    before = rows()
    assert len(before["garage_car"]) == 3
    widen(place)
    assert rows() == before


def test_foreign_keys_are_checked(place: Place) -> None:
    """The foreign keys are valid, and are checked as before."""
    widen(place)
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE convalidated), count(*) FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace = %s::regnamespace",
            [place.schema],
        )
        valid, all_keys = cursor.fetchone()
    assert valid == all_keys > 10
    with pytest.raises(IntegrityError), transaction.atomic():
        place(Car).objects.create(name="x", witness="x", owner_id=BIG)
        connections["default"].check_constraints()


def test_keys_beyond_32_bits(place: Place) -> None:
    """Rows with keys beyond 2^31 can be written and referred to."""
    widen(place)
    owner = place(Owner).objects.create(pk=BIG, name="Big", witness="x")
    car = place(Car).objects.create(pk=BIG, name="Big", owner=owner, witness="x")
    car.tags.add(place(Tag).objects.create(pk=BIG, name="big", witness="x"))
    user = place(User).objects.create(pk=BIG, username="big")
    user.groups.create(name="big")
    connections["default"].check_constraints()
    found = place(Car).objects.select_related("owner").get(tags__name="big")
    assert (found.pk, found.owner.pk, found.owner.name) == (BIG, BIG, "Big")


def test_sequences_go_beyond_32_bits(place: Place) -> None:
    """The sequences of identity columns and of serial ones give numbers beyond 2^31."""
    widen(place)
    with schema_cursor("default", place.schema) as cursor:
        cursor.execute("SELECT setval('garage_ledger_id_seq', %s)", [BIG])
        cursor.execute("SELECT setval(pg_get_serial_sequence('garage_owner', 'id'), %s)", [BIG])
        cursor.execute("INSERT INTO garage_ledger (amount, witness) VALUES (1, '') RETURNING id")
        assert cursor.fetchone() == (BIG + 1,)
    assert place(Owner).objects.create(name="Big", witness="x").pk == BIG + 1


def test_second_run_finds_nothing(place: Place, sent: Watch) -> None:
    """A schema that is wide already is left alone."""
    assert widen(place) != []
    with sent() as statements:
        assert widen(place) == []
    assert [sql for sql in statements if sql.startswith("ALTER")] == []


def test_one_rewrite_for_each_table(place: Place, sent: Watch) -> None:
    """All columns of a table are changed by one statement."""
    with sent() as statements:
        widened = widen(place)
    altered = [sql for sql in statements if sql.startswith("ALTER TABLE")]
    assert len(altered) == len({each.name for each in widened if each.columns})


def test_report_in_words(place: Place) -> None:
    """Tables are reported with their columns, sequences as such."""
    words = [str(each) for each in widen(place)]
    assert "garage_truck (car_ptr_id, payload)" in words
    assert "sequence garage_ledger_id_seq" in words


def test_awkward_names(place: Place) -> None:
    """Columns and tables whose names must be quoted are widened too; views, arrays and other types are left alone."""
    with schema_cursor("default", place.schema) as cursor:
        cursor.execute('CREATE TABLE "Order ""x""" ("Select" integer, "a b" serial, many integer[], small smallint)')
        cursor.execute("CREATE TABLE parted (id integer, at date) PARTITION BY RANGE (at)")
        cursor.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')")
        cursor.execute("CREATE TABLE parent (id integer)")
        cursor.execute("CREATE TABLE child () INHERITS (parent)")
    widened = normalized(widen(place))
    assert widened['Order "x"'] == {"Select", "a b"}
    assert widened["parted"] == {"id"}
    assert widened["parent"] == {"id"}
    assert {"parted_1", "child"} & set(widened) == set()
    types = {(row[1], row[2]): row[3].split()[0] for row in catalog("default", place.schema) if row[0] == "column"}
    assert (types["parted_1", "id"], types["child", "id"]) == ("bigint", "bigint")
    assert types['Order "x"', "many"] == "integer[]"


def test_column_that_a_view_uses(place: Place) -> None:
    """PostgreSQL does not alter a column that a view shows: an error that names it, and nothing is half done."""
    with schema_cursor("default", place.schema) as cursor:
        cursor.execute("CREATE VIEW owners AS SELECT id FROM garage_owner")
    before = catalog("default", place.schema)
    with pytest.raises(Exception, match="view"), transaction.atomic():
        widen(place)
    assert catalog("default", place.schema) == before


def test_new_schema_made_wide(new_schema: str, acme: Place) -> None:
    """A schema can be made wide in one go, in the transaction that makes it."""
    widened = migrate("default", schema=new_schema, environment="tenant", big_ints=True)
    assert integer_types("default", new_schema) == {"bigint", "smallint"}
    assert {each.name for each in widened} >= set(WIDENED)
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("migrated", "")]


def test_registry(schemas: Any) -> None:
    """A single-schema environment too; a reference to it from a tenant's schema stays as it is."""
    migrate("default", environment="registry", big_ints=True)
    assert integer_types("default", "registry") == {"bigint", "smallint"}
    assert "integer" in integer_types("default", "acme")

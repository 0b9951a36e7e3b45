"""The statements that are sent: every table is named with its schema, and nothing sets a search_path."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Prefetch, Q, Subquery
from django.db.models.sql.datastructures import BaseTable

from django_schemas.exceptions import SchemasError
from tests.apps.garage.models import Badge, Car, OldCar, Owner, Tag, Truck
from tests.apps.garage.witness import Place, make_place
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan

Watch = Callable[[], AbstractContextManager[list[str]]]

TABLE = re.compile(r'(?:FROM|JOIN|INTO|UPDATE(?! OF))\s+(?P<schema>"[^"]+"\.)?"(?P<table>[a-z]+_[a-z_]+)"(?!\.)')
"""A table that a statement names: after the words that a table follows, and not in front of a column."""


def workload(place: Place) -> None:
    """One of everything that the ORM sends."""
    owners, cars = place(Owner).objects, place(Car).objects
    owner = owners.create(name="Cid", witness="x")
    car = cars.create(name="Kombi", owner=owner, witness="x")
    owner.save()
    owner.save(force_update=True, update_fields=["name"])
    owner.refresh_from_db()
    place(Truck).objects.create(name="t", owner=owner, witness="x").save()
    cars.bulk_create([Car(name="a", witness="x"), Car(name="b", witness="x")])
    place(Tag).objects.bulk_create(
        [Tag(pk=900, name="x", witness="x")], update_conflicts=True, unique_fields=["pk"], update_fields=["name"]
    )
    place(Tag).objects.bulk_create([Tag(pk=900, name="x", witness="x")], ignore_conflicts=True)
    cars.bulk_update([car], ["name"])
    car.tags.add(place.red)
    car.tags.set([])
    car.tags.clear()
    owner.notes.create(text="x", witness="x")
    list(cars.filter(owner__name="Ada", tags__name="red").select_related("owner", "truck"))
    list(cars.exclude(tags__name="red"))
    list(owners.filter(car__in=cars.filter(tags__name="red")))
    list(owners.annotate(n=Count("car"), x=Exists(cars.filter(owner=OuterRef("pk")))).filter(n__gt=0))
    list(owners.annotate(w=Subquery(cars.filter(owner=OuterRef("pk")).values("witness")[:1])))
    list(owners.annotate(c=FilteredRelation("car", condition=Q(car__name="Beetle"))).filter(c__tags=place.red))
    list(owners.values("name").union(place(Tag).objects.values("name")))
    list(owners.prefetch_related("notes", Prefetch("car_set", cars.filter(name="Mini")), "car_set__tags"))
    list(place(OldCar).objects.all())
    list(cars.extra(tables=["garage_owner"], where=["garage_owner.id = garage_car.owner_id"]))
    owners.aggregate(n=Count("car"))
    cars.distinct().count()
    cars.filter(owner__name="Ada").update(name=F("name"))
    place(Truck).objects.update(name="x", payload=1)
    list(cars.select_for_update(of=("self",)))
    list(place(Badge).objects.filter(user__groups__name="x"))
    list(place(Permission).objects.filter(content_type__app_label="garage"))
    cars.filter(tags__name="old").delete()
    owner.delete()
    place.user.delete()
    list(Plan.objects.filter(name="gold"))
    Plan.objects.create(name="x", witness="x").save()
    if place.db == "default":
        list(owners.filter(plan__name="gold").select_related("plan"))


def schemas_named(statements: list[str]) -> set[tuple[str | None, str]]:
    return {
        (match["schema"] and match["schema"][1:-2], match["table"])
        for sql in statements
        for match in TABLE.finditer(re.sub(r"'[^']*'", "''", sql))
    }


@pytest.mark.parametrize("name", ["acme", "initech"])
def test_every_table_is_named_with_its_schema(name: str, request: pytest.FixtureRequest, sent: Watch) -> None:
    """Whatever the ORM sends names the bound schema, or the registry's for its models, in front of each table."""
    place: Place = request.getfixturevalue(name)
    with sent() as statements:
        workload(place)
    named = schemas_named(statements)
    assert len(statements) > 60
    assert {schema for schema, _ in named} == {place.schema, "registry"}
    assert {table for schema, table in named if schema == "registry"} == {"platform_plan"}
    assert {"garage_car_tags", "garage_truck", "garage_note", "auth_user_groups"} <= {table for _, table in named}


def test_no_statement_sets_anything(acme: Place, globex: Place, sent: Watch) -> None:
    """No SET, no set_config and no search_path in any statement of the ORM, inside of a transaction or not."""
    with sent() as statements:
        workload(acme)
        with globex.active(), transaction.atomic():
            list(Owner.objects.all())
            workload(globex)
    settings = [sql for sql in statements if re.match(r"(SET|RESET|SHOW|DISCARD)\b|.*(search_path|set_config)", sql)]
    assert settings == []


def test_number_of_statements_is_djangos(acme: Place, sent: Watch) -> None:
    """A query is one statement, a prefetch one more for each level: as without any schema."""
    with acme.active():
        ContentType.objects.get_for_model(Owner)
    with sent() as statements:
        list(acme(Car).objects.select_related("owner").prefetch_related("tags", "owner__notes"))
        acme(Owner).objects.filter(name="Ada").update(name="Ada")
        acme(Tag).objects.create(name="x", witness="x")
    assert [sql.partition(" ")[0] for sql in statements] == ["SELECT"] * 3 + ["UPDATE", "INSERT"]


def test_sql_text(acme: Place) -> None:
    """The schema stands in front of tables, columns stay as they are; str(query) shows the same."""
    query = acme(Car).objects.filter(owner__name="Ada").values("name").order_by("name").query
    assert str(query) == (
        'SELECT "garage_car"."name" AS "name" FROM "acme"."garage_car" '
        'INNER JOIN "acme"."garage_owner" ON ("garage_car"."owner_id" = "garage_owner"."id") '
        'WHERE "garage_owner"."name" = Ada ORDER BY 1 ASC'
    )


def test_sql_of_writing(acme: Place, sent: Watch) -> None:
    """INSERT INTO, UPDATE and DELETE FROM."""
    with sent() as statements:
        tag = acme(Tag).objects.create(name="x", witness="y")
        acme(Tag).objects.filter(pk=tag.pk).update(name="z")
        acme(Tag).objects.filter(pk=tag.pk)._raw_delete(tag._state.db)
    assert [sql.replace(str(tag.pk), "N") for sql in statements] == [
        """INSERT INTO "acme"."garage_tag" ("witness", "name") VALUES ('y', 'x') RETURNING "garage_tag"."id\"""",
        """UPDATE "acme"."garage_tag" SET "name" = 'z' WHERE "garage_tag"."id" = N""",
        """DELETE FROM "acme"."garage_tag" WHERE "garage_tag"."id" = N""",
    ]


def test_same_table_twice(acme: Place) -> None:
    """A table that is joined to itself keeps its aliases behind the qualified name."""
    query = acme(Owner).objects.filter(car__tags__car__owner__name="Bob").distinct()
    assert re.search(r'INNER JOIN "acme"\."garage_car_tags" "?T\d', str(query.query))
    assert [owner.witness for owner in query] == ["default.acme"] * 2


def test_model_of_no_environment_is_not_qualified(acme: Place, sent: Watch) -> None:
    """Models of no environment are read and written as Django does, inside of a context as well."""
    with acme.active(), sent() as statements:
        Leaflet.objects.create(title="x").delete()
        list(Leaflet.objects.all())
    assert schemas_named(statements) == {(None, "leaflets_leaflet")}


def test_schema_with_a_dash_and_a_key_word(acme: Place) -> None:
    """Names that must be quoted work."""
    for schema in ("order", "my-firm"):
        make_place("default", schema)
        place = Place("default", schema)
        workload(place)
        assert place(Owner).objects.count() == 2


def test_explain_and_server_side_cursor(acme: Place) -> None:
    """EXPLAIN and iterator() name the schema as well."""
    assert "acme.garage_car" in acme(Car).objects.all().explain(verbose=True)
    assert {car.witness for car in acme(Car).objects.iterator(chunk_size=1)} == {"default.acme"}


def test_nothing_is_left_on_the_connection(acme: Place, globex: Place) -> None:
    """The list of statements that are being compiled is empty again, after errors too."""
    connection: Any = connections["default"]
    with pytest.raises(Exception, match=r"default\.globex"):
        list(acme(Car).objects.filter(owner__in=globex(Owner).objects.all()))
    workload(acme)
    assert connection.compiling == []
    assert list(acme(User).objects.all()) == []


def test_what_is_not_written_as_expected(acme: Place, nothing_sent: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a version of Django write a table in another way, nothing is sent without a schema."""
    monkeypatch.setattr(BaseTable, "as_sql", lambda self, *args: (f'ONLY "{self.table_name}"', []))
    with nothing_sent(), pytest.raises(SchemasError, match="This version of Django writes"):
        list(acme(Car).objects.all())

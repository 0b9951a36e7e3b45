"""Values bound by the server, `OPTIONS["server_side_binding"]`: statements that it takes, in schemas as elsewhere."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.models import Case, Count, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat

from django_schemas import schema_cursor
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import Mark, mark_of, schema_exists
from tests.apps.garage.models import Car, Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.integration.django_schemas.catalog import catalog, integer_types

from .conftest import Reconnect


@pytest.fixture(autouse=True)
def _binding(reconnect: Reconnect) -> Iterator[None]:
    """Bind on the server, in a transaction that is rolled back."""
    reconnect(server_side_binding=True)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


ACME = [("Ada", "default.acme"), ("Bob", "default.acme")]
GLOBEX = [("Ada", "default.globex"), ("Bob", "default.globex")]


def test_it_is_the_server_who_binds(acme: Place) -> None:
    """The tests of this module send values beside their statements."""
    with connections["default"].cursor() as cursor:
        assert isinstance(cursor.cursor, ServerBindingCursor)


def test_queries(acme: Place, globex: Place) -> None:
    """Filters, expressions, subqueries, joins and aggregates."""
    owners, cars = acme(Owner).objects, acme(Car).objects
    assert seen(owners.filter(name__in=["Ada", "Bob"], car__tags__name="red").distinct()) == ACME
    assert seen(owners.filter(Q(name__startswith="A") | Q(pk=acme.bob.pk)).exclude(name="Eva")) == ACME
    labelled = owners.annotate(
        label=Case(When(name="Ada", then=Value("first")), default=Concat("name", Value("!"))),
        cars=Count("car", filter=Q(car__name="Beetle")),
        newest=Subquery(acme(Car).objects.filter(owner=OuterRef("pk")).order_by("-pk").values("name")[:1]),
    )
    assert seen(labelled, "label", "cars", "newest") == [
        ("Bob!", 0, "Mini", "default.acme"),
        ("first", 1, "Unimog", "default.acme"),
    ]
    assert cars.filter(owner__in=owners.filter(name="Ada")).aggregate(Count("pk")) == {"pk__count": 2}
    assert [car.owner.witness for car in cars.select_related("owner")] == ["default.acme"] * 3
    assert seen(owners.prefetch_related("car_set", "notes")) == ACME
    assert acme(User).objects.filter(last_name="default.acme").exists()


def test_set_operations(acme: Place, globex: Place) -> None:
    """Union, intersection and difference of querysets of one schema."""
    owners = acme(Owner).objects
    ada, bob = owners.filter(name="Ada"), owners.filter(name="Bob")
    assert seen(ada.union(bob)) == ACME
    assert seen(owners.all().intersection(ada)) == ACME[:1]
    assert seen(owners.all().difference(ada).order_by("name")) == ACME[1:]


def test_writing(acme: Place, globex: Place) -> None:
    """Single rows and many, with conflicts, with expressions, and deleting."""
    tags, owners = acme(Tag).objects, acme(Owner).objects
    tags.bulk_create([Tag(name=f"tag {number}", witness="default.acme") for number in range(1000)], batch_size=300)
    assert tags.filter(name__startswith="tag ").count() == 1000
    assert not globex(Tag).objects.filter(name__startswith="tag ").exists()
    again = [acme(Owner)(pk=acme.ada.pk, name="Ada L.", witness="default.acme")]
    owners.bulk_create(again, update_conflicts=True, unique_fields=["id"], update_fields=["name"])
    rows = list(owners.order_by("pk"))
    for row in rows:
        row.name = f"{row.name}?"
    owners.bulk_update(rows, ["name"])
    owners.update(name=Concat(F("name"), Value("!")))
    assert seen(owners.all()) == [("Ada L.?!", "default.acme"), ("Bob?!", "default.acme")]
    row, made = owners.get_or_create(name="Eva", defaults={"witness": "default.acme"})
    assert (made, row.delete()) == (True, (1, {"garage.Owner": 1}))
    acme.beetle.tags.set(tags.filter(name="tag 7"))
    assert seen(acme.beetle.tags.all()) == [("tag 7", "default.acme")]
    assert seen(globex(Owner).objects.all()) == GLOBEX


def test_raw_sql(acme: Place, globex: Place) -> None:
    """Parameters of `.raw()` and of a cursor."""
    sql = "SELECT * FROM garage_owner WHERE name = %s"
    assert seen(acme(Owner).objects.raw(sql, ["Ada"])) == ACME[:1]
    with schema_cursor("default", "globex") as cursor:
        cursor.execute(sql.replace("*", "witness"), ["Ada"])
        assert cursor.fetchall() == [("default.globex",)]


def test_migrating(new_schema: str, acme: Place) -> None:
    """A schema is made, marked, filled, widened and dropped as by values that are bound here."""
    migrate("default", schema=new_schema, environment="tenant")
    assert mark_of("default", new_schema) == Mark("tenant")
    assert catalog("default", new_schema) == catalog("default", "acme")
    migrate("default", schema=new_schema, environment="tenant", big_ints=True)
    assert "integer" not in integer_types("default", new_schema)
    flush("default", new_schema)
    assert not schema_exists("default", new_schema)

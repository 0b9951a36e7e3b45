"""The wrapper of PostGIS: where the extension is made, and what becomes of it."""

from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.db import ProgrammingError, connections

from django_schemas.alias import SchemaAlias
from django_schemas.checks import check_settings
from django_schemas.migrations import flush, migrate
from django_schemas.plans import make_plan, target_of
from tests.apps.atlas.models import Spot
from tests.apps.garage.witness import Place, seen
from tests.integration.django_schemas.catalog import catalog


def extension_schema() -> str | None:
    """The schema that the extension is in; None if there is none."""
    with connections["geo"].cursor() as cursor:
        cursor.execute("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'postgis'")
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def test_migrating_makes_the_extension_where_all_schemas_find_it(new_schema: str) -> None:
    with connections["geo"].cursor() as cursor:
        cursor.execute("DROP EXTENSION IF EXISTS postgis CASCADE")
    assert extension_schema() is None

    migrate("geo", schema=new_schema)

    assert extension_schema() == "public"
    place = Place("geo", new_schema)
    place(Spot).objects.create(name="first", point=Point(1, 1), witness=place.witness)
    assert seen(place(Spot).objects.filter(point=Point(1, 1))) == [("first", place.witness)]


def test_looking_at_a_plan_makes_no_extension(new_schema: str) -> None:
    with connections["geo"].cursor() as cursor:
        cursor.execute("DROP EXTENSION IF EXISTS postgis CASCADE")

    assert make_plan(target_of(SchemaAlias("geo", new_schema, "atlas")))
    assert extension_schema() is None


def test_dropping_a_schema_leaves_the_extension_and_the_neighbour(north: Place, south: Place) -> None:
    before = catalog("geo", "south")

    flush("geo", "north")

    assert extension_schema() == "public"
    assert catalog("geo", "south") == before
    assert seen(south(Spot).objects.filter(point=Point(1, 1))) == [("near", south.witness)]


def test_schemas_are_alike(north: Place, south: Place) -> None:
    """Spatial columns and indexes are the same in each."""
    assert catalog("geo", "north") == catalog("geo", "south")
    assert [
        (table, definition.partition(" USING ")[2])
        for kind, table, _, definition in catalog("geo", "north")
        if kind == "index" and "gist" in definition
    ] == [("atlas_region", "gist (border)"), ("atlas_spot", "gist (point)"), ("atlas_spot", "gist (round)")]


def test_a_connection_to_no_database_asks_nothing_of_the_extension(north: Place) -> None:
    """As Django makes one to create and drop databases; GeoDjango sets up nothing there."""
    with connections["geo"]._nodb_cursor() as cursor:
        assert type(cursor.db.ops).__module__ == "django.db.backends.postgresql.operations"


def test_an_environment_that_does_not_see_the_extension(settings: Any) -> None:
    """Its spatial fields would have no types while it is migrated."""
    assert "django_schemas.W022" not in [message.id for message in check_settings(None)]
    settings.DATABASE_ENVIRONMENTS = {**settings.DATABASE_ENVIRONMENTS, "atlas": {}}

    (message,) = [message for message in check_settings(None) if message.id == "django_schemas.W022"]
    assert message.hint == "Say 'ADDITIONAL_SCHEMAS': ['public'], or where else the extension is."
    with pytest.raises(ProgrammingError, match='type "geometry" does not exist'):
        migrate("geo", schema="east")

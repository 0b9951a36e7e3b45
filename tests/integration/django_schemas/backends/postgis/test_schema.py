"""The schema editor of PostGIS: spatial fields and their indexes come and go in one schema."""

from typing import Any

from django.contrib.gis.db import models as gis_models
from django.db import connections

from django_schemas.migrations import migrate
from tests.apps.atlas.models import Spot
from tests.apps.garage.witness import Place
from tests.integration.django_schemas.catalog import catalog


def spatial_indexes(place: Place) -> dict[str, str]:
    """The columns with an index of PostGIS's kind, and how it is made."""
    return {
        definition.rpartition("(")[2].split()[0].strip(")"): definition.partition(" USING ")[2]
        for kind, _, _, definition in catalog(place.db, place.schema)
        if kind == "index" and "gist" in definition
    }


BORDERS_AND_POINTS = {"border": "gist (border)", "point": "gist (point)", "round": "gist (round)"}


def altered(place: Place, field: Any) -> None:
    """Alter the field of that name in one schema, as an AlterField does that is run by hand."""
    old = Spot._meta.get_field(field.name)
    field.set_attributes_from_name(field.name)
    field.model = Spot
    with place.active(), connections["geo"].schema_editor() as editor:
        editor.alter_field(Spot, old, field)


def test_an_index_comes_with_its_field_in_the_active_schema_alone(north: Place, south: Place) -> None:
    new = gis_models.LineStringField(null=True)
    new.set_attributes_from_name("way")
    new.model = Spot
    with north.active(), connections["geo"].schema_editor() as editor:
        editor.add_field(Spot, new)

    assert spatial_indexes(north) == {**BORDERS_AND_POINTS, "way": "gist (way)"}
    assert spatial_indexes(south) == BORDERS_AND_POINTS

    with north.active(), connections["geo"].schema_editor() as editor:
        editor.remove_field(Spot, new)

    assert catalog("geo", "north") == catalog("geo", "south")


def test_an_index_is_made_and_dropped_in_the_active_schema_alone(north: Place, south: Place) -> None:
    altered(north, gis_models.PointField(name="flat", srid=3857, null=True))
    altered(north, gis_models.PointField(name="point", spatial_index=False))

    assert spatial_indexes(north) == {"border": "gist (border)", "flat": "gist (flat)", "round": "gist (round)"}
    assert spatial_indexes(south) == BORDERS_AND_POINTS


def test_a_field_gets_a_dimension_in_the_active_schema_alone(north: Place, south: Place) -> None:
    altered(north, gis_models.PointField(name="flat", srid=3857, null=True, dim=3, spatial_index=False))

    kinds = [
        definition
        for place in (north, south)
        for kind, table, column, definition in catalog(place.db, place.schema)
        if (kind, table, column) == ("column", "atlas_spot", "flat")
    ]
    assert kinds == ["geometry(PointZ,3857)", "geometry(Point,3857)"]


def test_spatial_fields_in_migrations(north: Place, south: Place, write_migrations: Any) -> None:
    """A field with its index is added, altered and removed by migrations, in the one schema that is migrated."""
    write_migrations(
        "atlas",
        _0002_spatial="""
        from django.contrib.gis.db import models as gis

        def spots(apps, schema_editor):
            inside = apps.get_model("atlas", "Spot").objects.filter(point__within=models.F("region__border"))
            assert inside.update(way="LINESTRING(0 0, 1 1)") == 2

        class Migration(migrations.Migration):
            operations = [
                migrations.AddField("spot", "way", gis.LineStringField(null=True)),
                migrations.RunPython(spots, migrations.RunPython.noop),
                migrations.AlterField("spot", "flat", gis.PointField(srid=3857, null=True)),
                migrations.AlterField("spot", "point", gis.PointField(spatial_index=False)),
                migrations.RemoveField("spot", "round"),
            ]
        """,
    )
    before = catalog("geo", "south")
    migrate("geo", schema="north")

    assert spatial_indexes(north) == {"border": "gist (border)", "flat": "gist (flat)", "way": "gist (way)"}
    assert catalog("geo", "south") == before

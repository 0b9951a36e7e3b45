"""Introspection of spatial columns: of the schema that is meant, whatever a neighbour's table of that name holds."""

from io import StringIO

from django.core.management import call_command
from django.db import connections

from django_schemas import schema_cursor
from tests.apps.atlas.models import Spot
from tests.apps.garage.witness import Place


def spatial_fields() -> list[str]:
    """The spatial fields of the model that inspectdb writes for the table of spots."""
    written = StringIO()
    call_command("inspectdb", "atlas_spot", database="geo", stdout=written, no_color=True)
    return [line.strip() for line in written.getvalue().splitlines() if "Point" in line or "Line" in line]


def test_inspectdb_shows_the_columns_of_the_active_schema(north: Place, south: Place) -> None:
    with schema_cursor("geo", "south") as cursor:
        cursor.execute("ALTER TABLE atlas_spot ALTER flat TYPE public.geometry(LineStringZ, 4326) USING NULL")

    with north.active():
        assert spatial_fields() == [
            "point = models.PointField()",
            "flat = models.PointField(srid=3857, blank=True, null=True)",
            "round = models.PointField(geography=True, blank=True, null=True)",
        ]
    with south.active():
        assert spatial_fields()[1] == "flat = models.LineStringField(dim=3, blank=True, null=True)"


def test_a_column_is_described_in_the_schema_of_its_model(north: Place, south: Place) -> None:
    with schema_cursor("geo", "south") as cursor:
        cursor.execute("ALTER TABLE atlas_spot ALTER flat TYPE public.geometry(LineStringZ, 4326) USING NULL")
    introspection = connections["geo"].introspection

    found = []
    for place in (north, south):
        with place.active(), connections["geo"].cursor() as cursor:
            columns = introspection.get_table_description(cursor, Spot._meta.db_table)
            (flat,) = [column for column in columns if column.name == "flat"]
            assert introspection.get_field_type(flat.type_code, flat) == "GeometryField"
            found.append(introspection.get_geometry_type(Spot._meta.db_table, flat))
    assert found == [("PointField", {"srid": 3857}), ("LineStringField", {"dim": 3})]


def test_tables_of_the_extension_are_left_out(north: Place) -> None:
    with connections["geo"].cursor() as cursor:
        names = connections["geo"].introspection.table_names(cursor, include_views=True)
    assert not {"spatial_ref_sys", "geometry_columns", "geography_columns"}.intersection(names)

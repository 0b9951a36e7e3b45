"""GeoDjango's look-ups, functions and aggregates, in a schema."""

from typing import Any

from django.contrib.gis.db.models import Collect, Extent, F, Union
from django.contrib.gis.db.models.functions import Distance, GeometryDistance, Transform
from django.contrib.gis.geos import GEOSGeometry, Point, Polygon
from django.contrib.gis.measure import D
from django.contrib.gis.utils import add_srs_entry
from django.db import connections

from tests.apps.atlas.models import Region, Spot
from tests.apps.garage.witness import Place, seen


def test_rows_are_written_and_read_in_their_schema(north: Place, south: Place) -> None:
    spot = north(Spot).objects.create(name="new", point=Point(2, 3), witness=north.witness)
    spot.flat = Point(4, 5, srid=3857)
    spot.save()
    north(Spot).objects.filter(pk=spot.pk).update(round=Point(6, 7, srid=4326))

    spot.refresh_from_db()
    assert [spot.point.ewkt, spot.flat.ewkt, spot.round.ewkt] == [
        "SRID=4326;POINT (2 3)",
        "SRID=3857;POINT (4 5)",
        "SRID=4326;POINT (6 7)",
    ]
    spot.delete()
    assert seen(north(Spot).objects.all()) == [(name, north.witness) for name in ("edge", "far", "near")]
    assert seen(south(Spot).objects.all()) == [(name, south.witness) for name in ("edge", "far", "near")]


def test_what_is_given_in_another_reference_system_is_transformed(north: Place) -> None:
    metres = Point(111319.4907932736, 111325.1428663851, srid=3857)
    (made,) = north(Spot).objects.bulk_create([Spot(name="bulk", point=metres, witness=north.witness)])

    made.refresh_from_db()
    assert made.point.srid == 4326
    assert [round(each, 6) for each in made.point.coords] == [1, 1]
    assert seen(north(Spot).objects.filter(point__dwithin=(metres, 0.001))) == [
        ("bulk", north.witness),
        ("near", north.witness),
    ]


def test_objects_are_found_by_where_they_are(north: Place) -> None:
    spots = north(Spot).objects
    box = Polygon.from_bbox((0, 0, 5, 5))

    assert seen(spots.filter(point__within=box)) == [("near", north.witness)]
    assert seen(spots.filter(point__bboverlaps=box)) == [("near", north.witness)]
    assert seen(spots.filter(round__distance_lte=(Point(1, 1, srid=4326), D(km=10)))) == [("near", north.witness)]
    assert seen(spots.filter(round__dwithin=(Point(9, 9, srid=4326), D(m=1)))) == [("edge", north.witness)]
    assert seen(north(Region).objects.filter(border__contains=Point(1, 1))) == [("square", north.witness)]


def test_spatial_look_ups_join_within_the_schema(north: Place, south: Place) -> None:
    south(Region).objects.update(border=Polygon.from_bbox((0, 0, 90, 90)))
    inside = north(Spot).objects.filter(point__within=F("region__border"))

    assert seen(inside) == [("edge", north.witness), ("near", north.witness)]
    squares = north(Region).objects.values("border")[:1]
    assert seen(north(Spot).objects.filter(point__within=squares)) == [("edge", north.witness), ("near", north.witness)]


def test_a_geometry_of_another_schema_s_row_is_a_value_as_any_other(north: Place, south: Place) -> None:
    """Geometries have no place; only the objects that hold them do."""
    near = south(Spot).objects.get(name="near").point

    assert seen(north(Spot).objects.filter(point=near)) == [("near", north.witness)]


def test_aggregates_are_of_one_schema(north: Place, south: Place) -> None:
    south(Spot).objects.update(point=Point(-80, -80))
    spots = north(Spot).objects

    assert spots.aggregate(extent=Extent("point")) == {"extent": (1.0, 1.0, 50.0, 50.0)}
    expected = GEOSGeometry("MULTIPOINT(1 1, 9 9, 50 50)", srid=4326)
    assert spots.aggregate(union=Union("point"))["union"].equals(expected)
    assert spots.order_by("pk").aggregate(all=Collect("point"))["all"].equals(expected)
    by_region = north(Region).objects.annotate(extent=Extent("spot__point")).values_list("name", "extent")
    assert list(by_region) == [("square", (1.0, 1.0, 9.0, 9.0))]


def test_functions(north: Place) -> None:
    near = (
        north(Spot)
        .objects.annotate(
            metres=Transform("point", 3857),
            distance=Distance("round", Point(1, 2, srid=4326)),
            nearness=GeometryDistance("point", Point(1, 1, srid=4326)),
        )
        .order_by("nearness")
        .first()
    )

    assert (near.name, near.witness, near.nearness) == ("near", north.witness, 0)
    assert (near.metres.srid, round(near.metres.x)) == (3857, 111319)
    assert 110_000 < near.distance.m < 111_000


def test_a_raw_query_names_functions_of_the_extension_in_full(north: Place, south: Place) -> None:
    """In it the schema is alone on search_path."""
    sql = """
        SELECT id, name, witness, point FROM atlas_spot
        WHERE public.ST_Within(point, %s::public.geometry) AND point OPERATOR(public.&&) %s::public.geometry
    """
    box = Polygon.from_bbox((0, 0, 5, 5))
    box.srid = 4326

    rows = list(north(Spot).objects.raw(sql, [box.ewkt, box.hexewkb.decode()]))
    assert seen(rows) == [("near", north.witness)]
    assert rows[0].point.coords == (1, 1)


def test_no_statement_leaves_a_schema_out(north: Place, sent: Any) -> None:
    with sent() as statements:
        list(north(Spot).objects.filter(point__within=F("region__border")).select_related("region"))

    (select,) = [sql for sql in statements if sql.startswith("SELECT")]
    assert 'FROM "north"."atlas_spot" INNER JOIN "north"."atlas_region"' in select


def test_the_version_and_reference_systems_are_those_of_the_database(north: Place) -> None:
    """They are found while a schema is active, though they are in none."""
    with north.active():
        assert connections["geo"].ops.spatial_version >= (3, 1)
        add_srs_entry(3857, database="geo")
        reference_systems = connections["geo"].ops.spatial_ref_sys().objects.using("geo")
        assert reference_systems.get(srid=3857).srs.name == "WGS 84 / Pseudo-Mercator"

"""Fixtures for tests with PostGIS: two schemas of witness rows in one database, which differ in the place they name."""

from typing import Any

import pytest

from django_schemas import schema_context
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import schema_exists
from tests.apps.garage.witness import Place

SQUARE = "POLYGON((0 0, 0 10, 10 10, 10 0, 0 0))"


@pytest.fixture(scope="session")
def mapped(django_db_setup: None, django_db_blocker: Any) -> None:
    """Make the schemas, and fill them."""
    from tests.apps.atlas.models import Region, Spot

    with django_db_blocker.unblock():
        for schema in ("north", "south"):
            if schema_exists("geo", schema):
                flush("geo", schema)
            migrate("geo", schema=schema)
            with schema_context("geo", schema):
                witness = f"geo.{schema}"
                square = Region.objects.create(name="square", border=SQUARE, witness=witness)
                Spot.objects.bulk_create(
                    Spot(name=name, point=point, round=point, region=region, witness=witness)
                    for name, point, region in (
                        ("near", "POINT(1 1)", square),
                        ("edge", "POINT(9 9)", square),
                        ("far", "POINT(50 50)", None),
                    )
                )


@pytest.fixture
def north(mapped: None) -> Place:
    return Place("geo", "north")


@pytest.fixture
def south(mapped: None) -> Place:
    """A neighbour of north in the same database."""
    return Place("geo", "south")

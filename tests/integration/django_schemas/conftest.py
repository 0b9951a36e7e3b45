"""Fixtures for tests of django_schemas in a database.

Each test here may use all databases, in transactions that are rolled back, unless it takes the fixture `committed`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections

from tests.apps.garage.witness import public_digest


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the tests of this folder as `django_db`, but for those that commit."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "committed" not in item.fixturenames:
            item.add_marker(pytest.mark.django_db(databases="__all__"))


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest) -> None:
    """Open the transactions, or allow committing, before all other fixtures of a test."""
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "_django_db_helper")


@pytest.fixture(autouse=True)
def _public_untouched(_database: None, schemas: dict[str, dict[str, str]]) -> Iterator[None]:
    """No test changes what in `public` looks like the tables of a schema."""
    yield
    for db, digest in schemas.items():
        if not connections[db].needs_rollback:
            assert public_digest(db) == digest

"""Fixtures for tests of django_schemas in a database."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.apps.garage.witness import public_digest


@pytest.fixture(autouse=True)
def _public_untouched(request: pytest.FixtureRequest, schemas: dict[str, dict[str, str]]) -> Iterator[None]:
    """No test changes what in `public` looks like the tables of a schema."""
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "_django_db_helper")
    yield
    for db, digest in schemas.items():
        if not connections[db].needs_rollback:
            assert public_digest(db) == digest

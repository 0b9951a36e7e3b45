"""Without a cluster these are reported as not run, by name; `make test-citus` fails then.

With one, database `default` is on it, and `shard2` is PostgreSQL as it is.
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest

from django_schemas.alias import SchemaAlias
from django_schemas.migrations import flush, migrate

from .cluster import CITUS_URL, MISSING


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/citus/") and not CITUS_URL:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture
def schema(committed: None) -> Iterator[SchemaAlias]:
    """A new schema of the tenants' environment, on the cluster."""
    alias = SchemaAlias("default", f"s{token_hex(4)}", "tenant")
    migrate(alias.db, alias.schema)
    yield alias
    flush(alias.db, alias.schema)


@pytest.fixture
def twin(committed: None, schema: SchemaAlias) -> Iterator[SchemaAlias]:
    """One of the same name on PostgreSQL."""
    alias = SchemaAlias("shard2", schema.schema, "tenant")
    migrate(alias.db, alias.schema)
    yield alias
    flush(alias.db, alias.schema)


@pytest.fixture
def run(committed: None) -> Any:
    """Sends a statement to a database, and returns its rows."""
    from django.db import connections

    def send(db: str, sql: str, parameters: Any = None) -> list[Any]:
        with connections[db].cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    return send

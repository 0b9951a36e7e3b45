"""What a server process keeps in memory of many schemas: as many as come, and as many as a connection may see."""

from collections.abc import Iterator
from typing import Any

from django.db import connections

from django_schemas import schema_context
from django_schemas.conf import MAX_SCHEMAS
from django_schemas.identifiers import qualified, quote

from .memory import batches, execute
from .models import Shelf

__all__ = ["SCHEMAS", "measure"]

SCHEMAS = 1_000
TABLES = 25
BATCH = 50
"""Schemas that are made or dropped by one transaction: each takes locks until its end."""

_KEY = "MAX_SCHEMAS_PER_CONNECTION"
_MEMORY = "SELECT sum(total_bytes) / 1e6 FROM pg_backend_memory_contexts"


def measure(schemas: int = SCHEMAS) -> Iterator[tuple[str, float]]:
    """Yield each limit, and how many megabytes a server process has at its peak, all of whose schemas' tables are read.

    Each table has three indexes; what ends a request comes behind each schema.
    """
    names = [f"backend_{number:05}" for number in range(schemas)]
    settings = connections["default"].settings_dict
    try:
        _make(names)
        for what, limit in (("never recycled", None), (f"recycled behind {MAX_SCHEMAS}", MAX_SCHEMAS)):
            settings[_KEY] = limit
            connections["default"].close()
            yield what, round(max(map(_megabytes_behind, names)), 1)
    finally:
        settings.pop(_KEY, None)
        for batch in batches(names, BATCH):
            execute(f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE" for name in batch)


def _megabytes_behind(schema: str) -> float:
    connection: Any = connections["default"]
    with schema_context("default", schema):
        list(Shelf.objects.all())
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"SELECT FROM {qualified(schema, table)} WHERE a = 1 OR b = 2")
        cursor.execute(_MEMORY)
        (megabytes,) = cursor.fetchone()
    connection.pause()
    return float(megabytes)


def _tables() -> list[str]:
    return [f"table_{number:02}" for number in range(TABLES - 1)]


def _make(names: list[str]) -> None:
    for batch in batches(names, BATCH):
        execute(statement for name in batch for statement in _statements(name))


def _statements(schema: str) -> Iterator[str]:
    yield f"CREATE SCHEMA {quote(schema)}"
    yield f"CREATE TABLE {qualified(schema, Shelf._meta.db_table)} (id bigint PRIMARY KEY, name varchar(40))"
    for table in _tables():
        name = qualified(schema, table)
        yield f"CREATE TABLE {name} (id bigint PRIMARY KEY, a bigint, b bigint, c text, d timestamptz, e numeric)"
        yield f"CREATE INDEX ON {name} (a)"
        yield f"CREATE INDEX ON {name} (b)"

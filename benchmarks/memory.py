"""What touching many schemas in one process adds to its memory: binding a model, and activating a placement."""

import gc
from collections.abc import Iterator
from pathlib import Path
from resource import getpagesize

from django.db import connections

from django_schemas import schema_context
from django_schemas.identifiers import qualified, quote

from .models import Shelf

SCHEMAS = 10_000
BATCH = 500
"""Schemas that are made or dropped by one transaction: each takes locks until its end."""


def measure() -> Iterator[tuple[str, float]]:
    """Yield each way of touching a schema, and how many megabytes doing so in all of them adds to this process.

    Each schema has the table and one row in it, which is read.
    """
    names = [f"many_{number:05}" for number in range(SCHEMAS)]
    try:
        _make(names)
        _read_bound(names[0])
        _read_active(names[0])
        for what, read in (("set_db", _read_bound), ("schema_context", _read_active)):
            gc.collect()
            before = _resident_mb()
            for name in names:
                read(name)
            gc.collect()
            yield what, round(_resident_mb() - before, 2)
    finally:
        _drop(names)


def _read_bound(schema: str) -> None:
    bound = Shelf.set_db("default", schema)
    if bound.objects.get().name != schema:
        raise AssertionError(f"{schema} gave the row of another schema.")


def _read_active(schema: str) -> None:
    with schema_context("default", schema):
        if Shelf.objects.get().name != schema:
            raise AssertionError(f"{schema} gave the row of another schema.")


def _make(names: list[str]) -> None:
    table = Shelf._meta.db_table
    for batch in batches(names, BATCH):
        execute(
            f"CREATE SCHEMA {quote(name)}; CREATE TABLE {qualified(name, table)} (id bigint, name varchar(40)); "
            f"INSERT INTO {qualified(name, table)} VALUES (1, '{name}')"
            for name in batch
        )


def _drop(names: list[str]) -> None:
    for batch in batches(names, BATCH):
        execute(f"DROP SCHEMA IF EXISTS {quote(name)} CASCADE" for name in batch)


def batches(names: list[str], size: int) -> Iterator[list[str]]:
    """Names, so many at a time."""
    for start in range(0, len(names), size):
        yield names[start : start + size]


def execute(statements: Iterator[str]) -> None:
    """Send statements in one message."""
    with connections["default"].cursor() as cursor:
        cursor.execute("; ".join(statements))


def _resident_mb() -> float:
    """Megabytes of this process in memory. Linux tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * getpagesize() / 1e6

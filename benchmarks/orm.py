"""What a query costs beside the same query in plain Django: time and statements, interleaved in one process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from django_schemas import schema_context
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import schema_exists

from .models import Book, PlainBook, PlainShelf, Shelf

SCHEMA = "bench_a"
BLOCKS = 40


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its models' managers, and the connection they use."""

    db: str
    books: Any
    shelves: Any


Task = Callable[[Side], Any]
TASKS: dict[str, tuple[Task, int]] = {
    "filter(pk=...).first()": (lambda side: side.books.filter(pk=1).first(), 50),
    "a join": (lambda side: list(side.books.filter(shelf__name="a").select_related("shelf")[:10]), 30),
    "1,000 rows": (lambda side: list(side.books.all()), 2),
    "prefetch": (lambda side: list(side.shelves.prefetch_related(f"{side.books.model._meta.model_name}_set")), 2),
    "create()": (lambda side: side.books.create(title="t", shelf_id=1), 30),
    "bulk_create(1,000)": (
        lambda side: side.books.bulk_create([side.books.model(title="t", shelf_id=1) for _ in range(1_000)]),
        1,
    ),
}


def measure() -> Iterator[dict[str, Any]]:
    """Measure each task; yield its name, microseconds, statements and the ratio to plain Django.

    Both sides take turns in blocks of a few milliseconds, so that whatever else the machine does meets them alike.
    """
    with prepared():
        sides = {
            "plain": Side("plain", PlainBook.objects.db_manager("plain"), PlainShelf.objects.db_manager("plain")),
            "ours": Side("default", Book.objects, Shelf.objects),
        }
        for name, (task, repeats) in TASKS.items():
            statements = {label: count_statements(task, side) for label, side in sides.items()}
            times_s: dict[str, list[float]] = {label: [] for label in sides}
            for _ in range(BLOCKS):
                for label, side in sides.items():
                    times_s[label].append(time_block(task, repeats, side))
            us = {label: round(median(values) * 1e6, 1) for label, values in times_s.items()}
            yield {"task": name, "us": us, "statements": statements, "ratio": round(us["ours"] / us["plain"], 3)}


def count_statements(task: Task, side: Side) -> int:
    """How many statements a task sends."""
    with transaction.atomic(using=side.db), CaptureQueriesContext(connections[side.db]) as captured:
        task(side)
        transaction.set_rollback(True, using=side.db)
    return len(captured.captured_queries)


def time_block(task: Task, repeats: int, side: Side) -> float:
    """Seconds that one of several repetitions takes; what they wrote is rolled back."""
    with transaction.atomic(using=side.db):
        start_s = perf_counter()
        for _ in range(repeats):
            task(side)
        elapsed_s = perf_counter() - start_s
        transaction.set_rollback(True, using=side.db)
    return elapsed_s / repeats


@contextmanager
def prepared() -> Iterator[None]:
    """Tables for both sides with the same rows, and the schema active."""
    if schema_exists("default", SCHEMA):
        flush("default", SCHEMA)
    migrate("default", schema=SCHEMA)
    plain = connections["plain"]
    try:
        with plain.schema_editor() as editor:
            editor.create_model(PlainShelf)
            editor.create_model(PlainBook)
        with schema_context("default", SCHEMA):
            for shelves, books in (
                (PlainShelf.objects.using("plain"), PlainBook.objects.using("plain")),
                (Shelf.objects, Book.objects),
            ):
                shelves.bulk_create([shelves.model(name=name) for name in "abcde"])
                books.bulk_create([books.model(title=f"book {n}", shelf_id=n % 5 + 1) for n in range(1_000)])
            with one_session():
                yield
    finally:
        with plain.schema_editor() as editor:
            editor.delete_model(PlainBook)
            editor.delete_model(PlainShelf)
        flush("default", SCHEMA)


@contextmanager
def one_session() -> Iterator[None]:
    """Have both sides served by one session: two server processes differ by more than what is measured here."""
    plain, ours = connections["plain"], connections["default"]
    ours.ensure_connection()
    own, plain.connection = plain.connection, ours.connection
    try:
        yield
    finally:
        plain.connection = own

"""The load: `python -m tests.pooler.load --url URL --port PORT`, which prints what came of it as JSON.

Threads serve requests: each is of one schema, chosen at random, and reads and writes in it through the pooler. Every
row names its schema, so a read tells whether it saw rows of another. Behind the load each table is looked at once, by
a direct connection: for rows that are not its own, and whether the books there are those that were acknowledged.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

import django
import environ
from django.conf import settings
from django.db import close_old_connections, connections, transaction

from tools.driver import choose_driver

__all__ = ["READS", "WRITES", "Result"]

SCHEMAS = tuple(f"tenant_{number}" for number in range(8))
ROWS = 20
READS, WRITES = 10, 2
"""Of one request."""
ENGINES = {"ours": "django_schemas.backends.postgres.wrapper", "control": "tests.pooler.control"}

Books = Counter[tuple[str, str, int]]
"""Schema, title and edition."""


@dataclass
class Result:
    """What came of the load.

    Attributes:
        reads: how many were done.
        writes: how many were done.
        wrong_reads: reads that saw a row of another schema, or none.
        wrong_rows: rows that ended up in another schema than theirs.
        lost: books that were acknowledged, and are not in their schema.
        extra: books in a schema that were never acknowledged, or taken back.
        errors: what was raised, and how often. An error ends its request.
        backends: connections that the pooler had to the server.
        elapsed_s: seconds that it took.
    """

    reads: int = 0
    writes: int = 0
    wrong_reads: int = 0
    wrong_rows: int = 0
    lost: int = 0
    extra: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    backends: int = 0
    elapsed_s: float = 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the load in a new database, and print the result."""
    parser = argparse.ArgumentParser("python -m tests.pooler.load")
    parser.add_argument("--url", required=True, help="a database of the server")
    parser.add_argument("--port", required=True, type=int, help="where the pooler listens")
    parser.add_argument("--side", default="ours", choices=ENGINES, help="the backend")
    parser.add_argument("--atomic", action="store_true", help="each read and each write in atomic()")
    parser.add_argument("--options", default={}, type=json.loads, help="OPTIONS of the database, as JSON")
    parser.add_argument("--threads", default=16, type=int)
    parser.add_argument("--requests", default=100, type=int, help="of each thread")
    given = parser.parse_args(arguments)
    _configure(given)
    print(json.dumps(vars(_run(given))))


def _configure(given: argparse.Namespace) -> None:
    choose_driver()
    ours = given.side == "ours"
    direct = {**environ.Env.db_url_config(given.url, engine="django.db.backends.postgresql"), "NAME": "pooler_load"}
    pooled = {
        **direct,
        "ENGINE": ENGINES[given.side],
        "HOST": "127.0.0.1",
        "PORT": given.port,
        "OPTIONS": given.options,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "CONN_MAX_AGE": 0 if "pool" in given.options else None,
        "ENVIRONMENTS": ["tenant"],
    }
    settings.configure(
        DATABASES={"default": pooled, "direct": direct},
        DATABASE_ENVIRONMENTS={"tenant": {"APPS": ["tests.pooler"]}},
        DATABASE_ROUTERS=["django_schemas.routers.ExplicitRouter"] if ours else [],
        INSTALLED_APPS=[*(["django_schemas"] if ours else []), "tests.pooler"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def _run(given: argparse.Namespace) -> Result:
    result, acknowledged = Result(), Books()
    with _database():
        started_s = time.monotonic()
        with ThreadPoolExecutor(given.threads) as threads:
            for served, books in threads.map(lambda number: _serve(given, number), range(given.threads)):
                result.reads += served.reads
                result.writes += served.writes
                result.wrong_reads += served.wrong_reads
                result.errors += served.errors
                acknowledged += books
        result.elapsed_s = round(time.monotonic() - started_s, 1)
        result.backends = _backends()
        result.wrong_rows, found = _found()
    result.lost, result.extra = (acknowledged - found).total(), (found - acknowledged).total()
    return result


@contextmanager
def _database() -> Iterator[None]:
    """A new database, with the schemas and their rows; all by the direct connection."""
    direct: Any = connections["direct"]
    name = direct.settings_dict["NAME"]
    with direct._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        for schema in SCHEMAS:
            _make_schema(direct, schema)
        yield
    finally:
        connections.close_all()
        with direct._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _make_schema(direct: Any, schema: str) -> None:
    from .models import Book, Shelf

    with direct.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(f"SET search_path TO {schema}")
        with direct.schema_editor() as editor:
            editor.create_model(Shelf)
            editor.create_model(Book)
        cursor.execute("INSERT INTO pooler_shelf (name, witness) SELECT unnest(ARRAY['a', 'b']), %s", [schema])
        cursor.execute(
            "INSERT INTO pooler_book (title, edition, shelf_id, witness) "
            f"SELECT 'book', 0, n %% 2 + 1, %s FROM generate_series(1, {ROWS}) n",
            [schema],
        )


def _serve(given: argparse.Namespace, number: int) -> tuple[Result, Books]:
    """Serve the requests of a thread; return the books that were acknowledged, too."""
    random, result, books = Random(number), Result(), Books()
    for request in range(given.requests):
        schema, title = random.choice(SCHEMAS), f"{number}/{request}"
        try:
            with _in_schema(given.side, schema, bound=request % 2 == 0) as (book, shelf):
                if given.side == "ours":
                    _meddle(random.choice(SCHEMAS))
                for _ in range(READS):
                    with _transaction(given):
                        seen = random.choice(_READERS)(book, shelf)
                    result.reads += 1
                    result.wrong_reads += set(seen) != {schema}
                _write(given, book, schema, title)
                result.writes += WRITES
                books[schema, title, 2] += 1
        except Exception as error:
            result.errors[f"{type(error).__name__}: {error}".splitlines()[0]] += 1
        close_old_connections()
    connections.close_all()
    return result, books


@contextmanager
def _in_schema(side: str, schema: str, bound: bool) -> Iterator[tuple[Any, Any]]:
    """The models, as a request finds them that is of this schema; bound to it or by the context."""
    from .models import Book, Shelf

    if side == "control":
        connections["default"].switch(schema)  # type: ignore[attr-defined]
        yield Book, Shelf
        return
    from django_schemas import bind, schema_context

    if bound:
        yield bind(Book, "default", schema), bind(Shelf, "default", schema)
    else:
        with schema_context("default", schema):
            yield Book, Shelf


def _meddle(schema: str) -> None:
    """Do what a user's own code may do: move the search_path of whichever session this is."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SET search_path TO {schema}")


def _transaction(given: argparse.Namespace) -> AbstractContextManager[Any]:
    return transaction.atomic() if given.atomic else nullcontext()


def _get(book: Any, shelf: Any) -> list[str]:
    return [book.objects.get(pk=1).witness]


def _list(book: Any, shelf: Any) -> list[str]:
    return [row.witness for row in book.objects.filter(pk__lte=ROWS)]


def _iterate(book: Any, shelf: Any) -> list[str]:
    return [row.witness for row in book.objects.filter(pk__lte=ROWS).iterator(chunk_size=7)]


def _join(book: Any, shelf: Any) -> list[str]:
    rows = book.objects.filter(pk__lte=ROWS, shelf__name="a").select_related("shelf")
    return [witness for row in rows for witness in (row.witness, row.shelf.witness)]


def _prefetch(book: Any, shelf: Any) -> list[str]:
    # In autocommit mode these two statements are two transactions.
    shelves = shelf.objects.prefetch_related("books")
    return [witness for row in shelves for witness in (row.witness, *(each.witness for each in row.books.all()))]


_READERS: list[Callable[[Any, Any], list[str]]] = [_get, _list, _iterate, _join, _prefetch]


def _write(given: argparse.Namespace, book: Any, schema: str, title: str) -> None:
    """Write a book, then its second edition; inside `atomic()`, also one that is taken back."""
    with _transaction(given):
        if given.atomic:
            with transaction.atomic():
                book.objects.create(title="taken back", shelf_id=1, witness=schema)
                transaction.set_rollback(True)
        row = book.objects.create(title=title, shelf_id=1, witness=schema)
    with _transaction(given):
        row.edition = 2
        row.save()


def _backends() -> int:
    """How many connections others have to the database; the pooler keeps its own open."""
    with connections["direct"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _found() -> tuple[int, Books]:
    """How many rows are in the wrong schema, and the books that were written, where they are."""
    wrong, found = 0, Books()
    with connections["direct"].cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(f"SELECT title, edition, witness FROM {schema}.pooler_book WHERE edition > 0")
            for title, edition, witness in cursor.fetchall():
                wrong += witness != schema
                found[schema, title, edition] += 1
    return wrong, found


if __name__ == "__main__":
    main()

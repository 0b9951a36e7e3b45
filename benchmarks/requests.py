"""What a request costs beside the same request in plain Django: a view with one query, 100 tenants in turn.

`python -m benchmarks.requests` measures in a process and with settings of its own, and prints a row of JSON for each
way that a request can come.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from statistics import median
from time import perf_counter
from typing import Any

import django
from asgiref.sync import async_to_sync

from .calling import environ, scope, sent, time_asgi, time_wsgi

TENANTS = 100
BLOCKS = 100
REPEATS = 25
"""Requests of a block: about ten milliseconds."""

Block = Callable[[int], list[float]]
"""Makes so many of them, and tells how many seconds each took."""


def measure() -> Iterator[dict[str, Any]]:
    """Measure each way; yield its name, and the medians of microseconds and of statements, and the ratio.

    The statement by hand tells what part of it is PostgreSQL's: it finds one table sooner than a hundred in turn.
    """
    from .orm import one_session

    with prepared(), one_session():
        for task, blocks in _tasks().items():
            yield {"task": task, **_compared(blocks)}


def _compared(blocks: dict[str, Block]) -> dict[str, Any]:
    """Measure both sides in turn, so that whatever else the machine does meets them alike.

    Each request is timed by itself: of those in which the machine did something else the median knows nothing.
    """
    statements: dict[str, list[int]] = {side: [] for side in blocks}
    times_s: dict[str, list[float]] = {side: [] for side in blocks}
    for side, block in blocks.items():
        with _alone(side):
            block(TENANTS)
            for _ in range(TENANTS):
                with sent() as captured:
                    block(1)
                statements[side].append(len(captured))
    for _ in range(BLOCKS):
        for side, block in blocks.items():
            with _alone(side):
                times_s[side] += block(REPEATS)
    us = {side: round(median(values) * 1e6, 1) for side, values in times_s.items()}
    return {
        "us": us,
        "statements": {side: median(counts) for side, counts in statements.items()},
        "ratio": round(us["ours"] / us["plain"], 3),
    }


def _tasks() -> dict[str, dict[str, Block]]:
    wsgi, asgi = _handlers("django.core.handlers.wsgi.WSGIHandler"), _handlers("django.core.handlers.asgi.ASGIHandler")
    tables = [f'"bench_t{number:03}"."benchmarks_book"' for number in range(TENANTS)]
    subdomains = [f"t{number:03}.bench.example" for number in range(TENANTS)]
    domains = [f"t{number:03}.customers.example" for number in range(TENANTS)]
    return {
        "request, sub-domain": {side: _wsgi_block(wsgi[side], subdomains, f"/{side}/1/") for side in wsgi},
        "request, one tenant": {side: _wsgi_block(wsgi[side], subdomains[:1], f"/{side}/1/") for side in wsgi},
        "request, own domain": {side: _wsgi_block(wsgi[side], domains, f"/{side}/1/") for side in wsgi},
        "request, ASGI": {side: _asgi_block(asgi[side], subdomains, f"/async/{side}/1/") for side in asgi},
        "its statement by hand": {
            "plain": _statement_block("plain", ['"benchmarks_plainbook"']),
            "ours": _statement_block("default", tables),
        },
    }


def _handlers(path: str) -> dict[str, Any]:
    """A handler with Django's usual middleware, and one that has ours before it."""
    from django.conf import settings
    from django.test import override_settings
    from django.utils.module_loading import import_string

    handler = import_string(path)
    with override_settings(MIDDLEWARE=["tenancy.middleware.TenantMiddleware", *settings.MIDDLEWARE]):
        ours = handler()
    return {"plain": handler(), "ours": ours}


def _wsgi_block(handler: Any, hosts: list[str], path: str) -> Block:
    turn = cycle(hosts)
    return lambda requests: time_wsgi(handler, [environ(host, path) for host in islice(turn, requests)])


def _asgi_block(handler: Any, hosts: list[str], path: str) -> Block:
    turn = cycle(hosts)
    timed = async_to_sync(partial(time_asgi, handler))
    return lambda requests: timed([scope(host, path) for host in islice(turn, requests)])


def _statement_block(alias: str, tables: list[str]) -> Block:
    from django.db import connections

    turn = cycle(tables)

    def timed(statements: int) -> list[float]:
        times_s = []
        with connections[alias].cursor() as cursor:
            for table in islice(turn, statements):
                start_s = perf_counter()
                cursor.execute(f"SELECT b.id, b.title, b.pages, b.shelf_id FROM {table} b WHERE b.id = 1 LIMIT 21")
                cursor.fetchall()
                times_s.append(perf_counter() - start_s)
        return times_s

    return timed


@contextmanager
def _alone(side: str) -> Iterator[None]:
    """Leave a side its own connection alone, as in a process of its own: Django looks at each as a request begins."""
    from django.db import connections

    other = "default" if side == "plain" else "plain"
    connection = connections[other]
    del connections[other]
    try:
        yield
    finally:
        connections[other] = connection


@contextmanager
def prepared() -> Iterator[None]:
    """The tenants, each with a sub-domain, a domain and a row; and the row that plain Django reads."""
    from django.db import connections

    from django_schemas.identifiers import quote
    from django_schemas.migrations import flush, migrate
    from django_schemas.schemas import schema_exists
    from tenancy import registry, tenant_context
    from tenancy.models import Tenant

    from .models import Book, PlainBook, PlainShelf, Shelf

    schemas = [f"bench_t{number:03}" for number in range(TENANTS)]

    def drop() -> None:
        # Whatever an earlier run left that was killed.
        with plain.cursor() as cursor:
            for model in (PlainBook, PlainShelf):
                cursor.execute(f"DROP TABLE IF EXISTS {quote(model._meta.db_table)}")
        for schema in (*schemas, "bench_registry"):
            if schema_exists("default", schema):
                flush("default", schema)

    plain = connections["plain"]
    drop()
    try:
        with plain.schema_editor() as editor:
            editor.create_model(PlainShelf)
            editor.create_model(PlainBook)
        PlainBook.objects.using("plain").create(title="t", shelf=PlainShelf.objects.using("plain").create(name="s"))
        migrate("default", environment="registry")
        for schema in schemas:
            slug = schema.removeprefix("bench_")
            tenant = Tenant.objects.create(name=slug, schema_name=schema)
            tenant.domains.create(host=f"{slug}.customers.example")
            with tenant_context(tenant):
                Book.objects.create(title="t", shelf=Shelf.objects.create(name="s"))
        yield
    finally:
        registry.forget()
        drop()


def main() -> None:
    """Measure, and print a row of JSON for each."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.requests_settings"
    django.setup()
    for row in measure():
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

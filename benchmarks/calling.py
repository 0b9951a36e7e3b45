"""Calls Django's handlers in this process as a server calls them, and times blocks of requests. It knows Django alone,
so every contender is measured by it.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from time import perf_counter
from typing import Any

from django.db import connections

__all__ = ["environ", "scope", "sent", "time_asgi", "time_wsgi"]


def environ(host: str, path: str) -> dict[str, Any]:
    """What a WSGI server makes of a GET request by a browser. Good for one request: Django writes to it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": host,
        "HTTP_ACCEPT": "application/json",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "HTTP_USER_AGENT": "benchmarks",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
    }


def scope(host: str, path: str) -> dict[str, Any]:
    """What an ASGI server makes of the same request."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "client": ["127.0.0.1", 50_000],
        "server": ["127.0.0.1", 80],
        "headers": [
            (b"host", host.encode()),
            (b"accept", b"application/json"),
            (b"accept-language", b"en"),
            (b"user-agent", b"benchmarks"),
        ],
    }


def time_wsgi(handler: Any, environs: Iterable[dict[str, Any]]) -> list[float]:
    """Seconds that each of these requests takes, made one after the other.

    Raises:
        RuntimeError: one was not answered with 200.
    """
    times_s: list[float] = []
    statuses: list[str] = []
    for each in environs:
        start_s = perf_counter()
        response = handler(each, lambda status, headers: statuses.append(status))
        b"".join(response)
        response.close()
        times_s.append(perf_counter() - start_s)
    _refuse_failed(statuses, "200 OK")
    return times_s


async def time_asgi(handler: Any, scopes: Iterable[dict[str, Any]]) -> list[float]:
    """Seconds that each of these requests takes, made one after the other.

    Raises:
        RuntimeError: one was not answered with 200.
    """
    times_s: list[float] = []
    statuses: list[int] = []
    for each in scopes:
        start_s = perf_counter()
        statuses.append(await _answered(handler, each))
        times_s.append(perf_counter() - start_s)
    _refuse_failed(statuses, 200)
    return times_s


@contextmanager
def sent() -> Iterator[list[str]]:
    """Collect the statements that this thread sends in a block, on any connection."""
    statements: list[str] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        statements.append(sql)
        return execute(sql, *args)

    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            stack.enter_context(connection.execute_wrapper(note))
        yield statements


async def _answered(handler: Any, scope: dict[str, Any]) -> int:
    """The status that a request is answered with. The client stays until then."""
    received = False
    status = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        if received:
            await asyncio.Future()
        received = True
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await handler(scope, receive, send)
    return status


def _refuse_failed(statuses: list[Any], expected: Any) -> None:
    failed = [status for status in statuses if status != expected]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(statuses)} requests were answered with {failed[0]}.")

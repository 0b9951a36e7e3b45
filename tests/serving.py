"""Servers for the tests: gunicorn, uvicorn and daphne, with the site of the tests, on a socket that is made before they
are.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections

__all__ = ["Server", "serving", "site_environment"]

COMMANDS = {
    "gunicorn": "-m gunicorn tests.apps.site.servers:wsgi --bind fd://{fd} -k gthread --threads {threads} -w 1",
    "uvicorn": "-m uvicorn tests.apps.site.servers:asgi --fd {fd} --log-level warning --lifespan off",
    "uvicorn with sockets": "-m uvicorn tests.apps.site.sockets:application --fd {fd} --log-level error --lifespan off",
    "daphne with sockets": "-m daphne tests.apps.site.sockets:application --fd {fd} --verbosity 0",
}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        port: where it listens, on 127.0.0.1.
        pid: of its process, or of its processes' parent.
    """

    port: int
    pid: int

    def open(self, host: str, path: str = "/") -> http.client.HTTPResponse:
        """Send a request; whoever calls reads and closes the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        return connection.getresponse()

    def get(self, host: str, path: str = "/") -> tuple[int, Any]:
        """Status and body, which is taken for JSON if it can be."""
        with self.open(host, path) as response:
            body = response.read().decode()
        try:
            return response.status, json.loads(body)
        except ValueError:
            return response.status, body


def site_environment(databases: dict[str, Any] | None = None, **tenancy: Any) -> dict[str, str]:
    """The environment of processes that import the site: see `serving`."""
    changes: dict[str, Any] = {alias: {"NAME": connections[alias].settings_dict["NAME"]} for alias in connections}
    for alias, different in (databases or {}).items():
        changes[alias] = None if different is None else {**changes.get(alias, {}), **different}
    site = json.dumps({"databases": changes, "tenancy": tenancy})
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "SITE": site}


@contextmanager
def serving(
    name: str, databases: dict[str, Any] | None = None, *, threads: int = 2, **tenancy: Any
) -> Iterator[Server]:
    """Serve the site of the tests, and stop when left.

    Args:
        name: key of COMMANDS.
        databases: what is different, by alias; None: there is no such database.
        threads: how many of gunicorn serve.
        tenancy: settings in TENANCY that are different.
    """
    environment = site_environment(databases, **tenancy)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[name].format(fd=fd, threads=threads).split()],
            env=environment,
            pass_fds=[fd],
        )
        try:
            yield Server(listening.getsockname()[1], process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

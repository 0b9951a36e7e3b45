"""The databases of the battery, and processes that migrate them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from tools import postgres

__all__ = ["Place", "Worker", "at_work", "made", "send"]

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """A schema of a database, by its URL."""

    url: str
    schema: str = "public"


def send(place: Place, statements: str) -> None:
    """Send SQL, with the names in it meant in that schema, in a transaction."""
    with closing(psycopg2.connect(place.url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f'SET LOCAL search_path TO "{place.schema}", public; {statements}')


@contextmanager
def made(name: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, which is dropped behind the block."""
    cluster = postgres.ensure()
    _command(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _command(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield cluster.url(name)
    finally:
        _command(f"DROP DATABASE {name} WITH (FORCE)")


def _command(statement: str) -> None:
    with closing(psycopg2.connect(postgres.ensure().url("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


class Worker:
    """A process that migrates the database at a URL, see `worker`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, way: str, **arguments: Any) -> Any:
        """Have something done, and return the answer.

        Raises:
            AssertionError: something was raised there.
        """
        answer = self.answer(way, **arguments)
        assert "raised" not in answer, f"{way} {arguments}: {answer['raised']}"
        return answer["result"]

    def answer(self, way: str, **arguments: Any) -> dict[str, Any]:
        """The same, whatever it says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"way": way, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "The worker is gone."
        return dict(json.loads(line))


@contextmanager
def at_work(settings: str, url: str, **variables: str) -> Iterator[Worker]:
    """A worker with these settings, for a database."""
    environment = {**os.environ, **variables, "DJANGO_SETTINGS_MODULE": settings, "DATABASE_URL": url}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.battery.worker"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Worker(process)
        assert process.stdin is not None
        process.stdin.close()

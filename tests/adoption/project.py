"""A project in a folder of its own, with a database of its own, whose commands are run as a person types them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from tools import postgres

__all__ = ["Project", "asked", "made_database", "rows"]

REPOSITORY = Path(__file__).resolve().parents[2]


class Project:
    """Files, and `manage.py`.

    Args:
        folder: empty; it is filled with the files.
        url: of the database, for DATABASE_URL.
        files: texts by their paths.
    """

    def __init__(self, folder: Path, url: str, files: Mapping[str, str]) -> None:
        self.folder, self.url = folder, url
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

    def manage(self, settings: str, *args: str, python: str | Path = sys.executable, stdin: str = "") -> str:
        """Run a command to its end, and return what it says."""
        return self.run(settings, *self.command(*args, python=python), stdin=stdin)

    def run(self, settings: str, *words: str, code: int = 0, stdin: str = "") -> str:
        """Run a program to its end, which must be with this exit code, and return what it says."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environ(settings),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def command(self, *args: str, python: str | Path = sys.executable) -> list[str]:
        """The words of a command."""
        return [str(python), "-m", "django", *args]

    def environ(self, settings: str) -> dict[str, str]:
        """The variables that a command is run with."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        ours = os.pathsep.join([str(self.folder), str(REPOSITORY)])
        return {**kept, "DJANGO_SETTINGS_MODULE": settings, "DATABASE_URL": self.url, "PYTHONPATH": ours}


def asked(url: str, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Send a statement, commit, and return the rows that it answers with."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def made_database(name: str) -> Iterator[str]:
    """The URL of an empty database on the server of the tests, which is dropped behind the block."""
    cluster = postgres.ensure()
    server = cluster.url("postgres")
    asked(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    asked(server, f"CREATE DATABASE {name}")
    try:
        yield cluster.url(name)
    finally:
        asked(server, f"DROP DATABASE {name} WITH (FORCE)")


def rows(url: str, schema: str) -> dict[str, list[Any]]:
    """All rows of all tables of a schema, but for the records of migrations."""
    tables = asked(url, "SELECT tablename::text FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
    return {
        table: [row for (row,) in asked(url, f'SELECT to_jsonb(t) FROM "{schema}"."{table}" t ORDER BY 1')]
        for (table,) in tables
        if table != "django_migrations"
    }

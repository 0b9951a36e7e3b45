"""Processes of the project: gunicorn with threads on a free port while it is needed, and commands."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class ServerDidNotStart(Exception):
    """gunicorn ended, or did not listen in time."""


class CommandFailed(Exception):
    """A management command ended with an error."""


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        statement_log: The file with its SQL statements.
    """

    port: int
    statement_log: Path


@contextmanager
def serving(settings: str, folder: Path, patience_s: float = 30) -> Iterator[Server]:
    """Serve the project with these settings, and stop when left.

    Args:
        settings: A module's dotted name.
        folder: For its files.
        patience_s: How long it may take to start.

    Raises:
        ServerDidNotStart: It did not.

    What goes wrong inside gets a note of what gunicorn said.
    """
    output = folder / f"{settings}.output"
    statement_log = folder / f"{settings}.statements"
    statement_log.touch()
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "STATEMENT_LOG": str(statement_log)}
    command = "-m gunicorn --config python:example_project.demo.gunicorn_conf example_project.wsgi"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Server(_port(process, output, patience_s), statement_log)
    except Exception as error:
        error.add_note(f"gunicorn, with {settings}, said:\n{output.read_text()[-3000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], output: Path, patience_s: float) -> int:
    """Return the port that the system gave it, as soon as a worker is ready to answer."""
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        said = output.read_text()
        if "Booting worker" in said and (found := re.search(r"http://127\.0\.0\.1:(\d+)", said)):
            return int(found[1])
        time.sleep(0.05)
    raise ServerDidNotStart(ServerDidNotStart.__doc__)


def manage(settings: str, *arguments: str) -> str:
    """Run a management command under other settings than ours, and return what it prints.

    Raises:
        CommandFailed: It failed; what it said is in the message.
    """
    done = subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CommandFailed(f"{' '.join(arguments)} under {settings}: {done.stderr.strip()}")
    return done.stdout.strip()

"""A Redis in a process of its own, while it is needed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port, wait_for

__all__ = ["program", "serving_redis"]


def program() -> str | None:
    """Where Redis is, if it is installed."""
    return shutil.which("redis-server")


@contextmanager
def serving_redis(patience_s: float = 10) -> Iterator[str]:
    """Serve, and keep nothing. Yields the URL."""
    port = free_port()
    command = [str(program()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder)
        try:
            wait_for(process, port, patience_s, log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()

"""A Redis in a process of its own, while it is needed."""

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.postgres import PORTS

__all__ = ["program", "serving_redis"]


def program() -> str | None:
    """Where Redis is, if it is installed."""
    return shutil.which("redis-server")


@contextmanager
def serving_redis(patience_s: float = 10) -> Iterator[str]:
    """Serve, and keep nothing. Yields the URL."""
    port = _free_port()
    command = [str(program()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/tmp")
    try:
        _wait(process, port, patience_s)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def _wait(process: "subprocess.Popen[bytes]", port: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("Redis did not start.")

"""Redis in a process of its own, which keeps nothing, while it is needed."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.pooler.bouncer import free_port

__all__ = ["program", "remembering"]


def program() -> str | None:
    """Where Redis is, if it is installed."""
    return shutil.which("redis-server")


@contextmanager
def remembering(patience_s: float = 10) -> Iterator[int]:
    """Serve on 127.0.0.1, in memory alone, and stop when left. Yields the port."""
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --dir /tmp --daemonize no"
    process = subprocess.Popen([str(program()), *options.split(), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            _wait(client, time.monotonic() + patience_s)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait(client: "redis.Redis", deadline: float) -> None:
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return

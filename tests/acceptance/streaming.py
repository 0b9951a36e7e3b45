"""The example project behind uvicorn, which streams."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Streamer", "streaming"]


@dataclass(frozen=True)
class Streamer:
    """A server that runs.

    Attributes:
        port: where it listens, on 127.0.0.1.
        pid: of its process.
    """

    port: int
    pid: int


@contextmanager
def streaming(settings: str) -> Iterator[Streamer]:
    """Serve the project with these settings, and stop when left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        options = f"--fd {fd} --lifespan off --log-level warning --timeout-graceful-shutdown 1"
        command = [sys.executable, "-m", "uvicorn", "example_project.asgi:application", *options.split()]
        process = subprocess.Popen(command, pass_fds=[fd], env={**os.environ, "DJANGO_SETTINGS_MODULE": settings})
        try:
            yield Streamer(listening.getsockname()[1], process.pid)
        finally:
            process.terminate()
            process.wait()

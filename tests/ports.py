"""Ports for the programs that tests start, on 127.0.0.1."""

import random
import socket
import subprocess
import time
from pathlib import Path

from tools.postgres import PORTS

__all__ = ["free_port", "wait_for"]


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def wait_for(process: "subprocess.Popen[bytes]", port: int, patience_s: float, log: Path) -> None:
    """Wait until a process listens on a port; if it does not, raise what it logged."""
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{process.args[0]} did not start: {log.read_text(errors='replace')}")  # type: ignore[index]

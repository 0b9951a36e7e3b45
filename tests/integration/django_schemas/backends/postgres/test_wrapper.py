"""The connection: one for each database and thread, whoever opens it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

from django.db import connections

from django_schemas.alias import SchemaAlias
from tests.apps.garage.models import Owner
from tests.apps.garage.witness import Place
from tests.apps.platform.models import Plan


def in_new_thread(function: Callable[[], Any]) -> Any:
    """Run a function in a thread that has no connection yet, and close those that it opened."""

    def run() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def backends() -> set[int]:
    """The server's processes for this database, but for the one that watches it for the replicas' sake."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            r"SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            r"AND query !~ '^\s*(SELECT CASE WHEN pg_is_in_recovery|$)'"  # It has sent nothing yet at first.
        )
        return {pid for (pid,) in cursor.fetchall()}


def test_first_opened_by_a_schema_alias(committed: None, acme: Place, globex: Place) -> None:
    """In a new thread the first query names a schema: one connection is opened, for all schemas and the plain alias."""
    before = backends()

    def read_all() -> tuple[list[str], int, int, set[str]]:
        first = acme(Owner).objects.get(name="Ada").witness
        second = globex(Owner).objects.get(name="Ada").witness
        registry = Plan.objects.get().witness
        own = connections["default"]
        same = {id(connections[alias]) for alias in (acme.ada._state.db, globex.ada._state.db, "default")}
        assert own.alias == "default"
        assert type(own.alias) is str
        opened = [each for each in connections.all(initialized_only=True) if each.alias == "default"]
        return [first, second, registry], len(backends() - before), len(opened), same

    _ = acme.ada, globex.ada
    before = backends()
    read, more, opened, same = in_new_thread(read_all)
    assert read == ["default.acme", "default.globex", "default.registry"]
    assert (more, opened, len(same)) == (1, 1, 1)


def test_first_opened_by_a_schema_alias_itself(committed: None, initech: Place) -> None:
    """The same on a database without replicas, where nothing asks for the plain alias before."""

    def open_all() -> tuple[str, str, int, int]:
        aliases = [SchemaAlias("shard2", schema, "tenant") for schema in ("initech", "nobody", "initech")]
        witness = initech(Owner).objects.get(name="Ada").witness
        same = {id(connections[alias]) for alias in (*aliases, "shard2")}
        opened = [each for each in connections.all(initialized_only=True) if each.alias == "shard2"]
        return witness, type(connections["shard2"].alias).__name__, len(same), len(opened)

    assert in_new_thread(open_all) == ("shard2.initech", "str", 1, 1)


def test_close_all_closes_what_a_schema_alias_opened(committed: None, acme: Place) -> None:
    """`connections.close_all()`, which ends each request's connections, finds it."""
    before = backends()

    def read_and_close() -> int:
        with acme.active():
            assert Owner.objects.count() == 2
        connection = connections["default"]
        connections.close_all()
        assert connection.connection is None
        return 0

    assert in_new_thread(read_and_close) == 0
    deadline = monotonic() + 5
    while not backends() <= before and monotonic() < deadline:  # The server takes a moment to end one.
        sleep(0.02)
    assert backends() <= before


def test_connection_that_was_lost(committed: None, acme: Place) -> None:
    """After the server ended the connection the next one reads the same schema: there is no state to lose."""

    def read_twice() -> list[str]:
        queryset = acme(Owner).objects.filter(name="Ada")
        found = [queryset.all()[0].witness]
        connection = connections["default"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        killed.append(pid)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(kill, pid).result()
        connection.close_if_unusable_or_obsolete()
        connection.close()
        return [*found, queryset.all()[0].witness]

    killed: list[int] = []

    def kill(pid: int) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        connections.close_all()

    assert in_new_thread(read_twice) == ["default.acme", "default.acme"]

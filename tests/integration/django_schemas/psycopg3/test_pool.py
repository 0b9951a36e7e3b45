"""psycopg's own pool, `OPTIONS["pool"]`: threads take turns on a few connections, each in its own schema."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import Error, close_old_connections, connections, transaction

from django_schemas import schema_cursor
from tests.apps.garage.models import Owner
from tests.apps.garage.witness import Place, seen
from tests.audit.capture import raw_sql

from .conftest import Reconnect

SIZE = 4
USUAL = '"$user", public'


@pytest.fixture(autouse=True)
def _pool(reconnect: Reconnect) -> None:
    reconnect(pool={"min_size": 2, "max_size": SIZE, "timeout": 30})


def request(place: Place) -> tuple[int, str, set[str]]:
    """Read in every way, as a request does: the session, its search_path, and the witnesses that were seen."""
    try:
        with schema_cursor(place.db, place.schema) as cursor:
            cursor.execute("SELECT DISTINCT witness FROM garage_owner")
            witnesses = {witness for (witness,) in cursor.fetchall()}
        with place.active():
            witnesses |= {owner.witness for owner in Owner.objects.all()}
            witnesses |= {owner.witness for owner in Owner.objects.raw("SELECT * FROM garage_owner")}
        with transaction.atomic(using=place.db):
            witnesses |= {owner.witness for owner in place(Owner).objects.select_for_update()}
        with connections[place.db].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), current_setting('search_path')")
            return (*cursor.fetchone(), witnesses)
    finally:
        close_old_connections()


def serve(places: list[Place], threads: int = 8) -> list[tuple[int, str, set[str]]]:
    """Serve a request of each place, in threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(request, places))


def test_threads_share_few_connections(acme: Place, globex: Place, initech: Place) -> None:
    """Eight threads and two databases: each request sees its own rows, and each session is left as it was."""
    places = [acme, globex, initech] * 40
    served = serve(places)
    assert [witnesses for *_, witnesses in served] == [{place.witness} for place in places]
    assert {path for _, path, _ in served} == {USUAL}
    assert len({pid for pid, *_ in served}) <= 2 * SIZE


def test_search_path_that_somebody_left(acme: Place, globex: Place) -> None:
    """A connection that user code gives back with another search_path serves the next one all the same."""
    barrier = Barrier(SIZE)

    def leave(_: int) -> None:
        with raw_sql("what user code may do"), connections["default"].cursor() as cursor:
            cursor.execute("SET search_path TO globex")
        barrier.wait(10)
        connections.close_all()

    with ThreadPoolExecutor(SIZE) as pool:
        list(pool.map(leave, range(SIZE)))
    served = serve([acme] * 20)
    assert {path for _, path, _ in served} == {"globex"}
    assert [witnesses for *_, witnesses in served] == [{"default.acme"}] * 20


def test_connections_that_were_killed(acme: Place, globex: Place, initech: Place) -> None:
    """After the server ended all of the pool's connections, no request fails, and each sees its own rows."""
    places = [acme, globex] * 10
    before = serve(places)
    kill({pid for pid, *_ in before})
    after = serve(places)
    assert [witnesses for *_, witnesses in after] == [{place.witness} for place in places]
    assert {pid for pid, *_ in before}.isdisjoint({pid for pid, *_ in after})


def test_connection_that_is_killed_in_the_middle(acme: Place, globex: Place) -> None:
    """A request whose connection is lost fails; the next one in the same thread is served, in its own schema."""

    def work() -> list[Any]:
        with pytest.raises(Error), schema_cursor("default", "acme") as cursor:
            cursor.execute("UPDATE garage_owner SET witness = 'wrong'")
            cursor.execute("SELECT pg_backend_pid()")
            kill({cursor.fetchone()[0]})
            list(acme(Owner).objects.all())
        close_old_connections()
        return [request(globex)[1:], request(acme)[1:]]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == [(USUAL, {"default.globex"}), (USUAL, {"default.acme"})]
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def kill(pids: set[int]) -> None:
    """End server processes, by a connection to the other database, and wait until they are gone."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_kill, pids).result()


def _kill(pids: set[int]) -> None:
    try:
        with connections["shard2"].cursor() as cursor:
            for pid in pids:
                cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
                assert cursor.fetchone() == (True,)
    finally:
        connections.close_all()


def test_recycling(acme: Place, globex: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection of the pool knows what it has seen, in whose hands ever, and ends behind as much as it may."""
    for connection in connections.all():
        monkeypatch.setitem(connection.settings_dict, "MAX_SCHEMAS_PER_CONNECTION", 2)
    alone = [pid for pid, *_ in serve([acme] * 40)]
    assert len(set(alone)) <= SIZE
    both = [(pid, place.schema) for place in [acme, globex] * 20 for pid, *_ in serve([place], 1)]
    seen_by: dict[int, list[str]] = {}
    for pid, schema in both:
        seen_by.setdefault(pid, []).append(schema)
    assert len(seen_by) > SIZE
    # Whoever has seen both gets no more requests.
    assert all(len(set(schemas[:-1])) <= 1 for pid, schemas in seen_by.items() if pid not in alone)


def test_is_a_pool() -> None:
    """The tests of this module have one: a connection that is closed and opened again is one of few sessions."""
    pids = set()
    for _ in range(30):
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pids.add(cursor.fetchone())
        connections.close_all()
    assert len(pids) <= SIZE

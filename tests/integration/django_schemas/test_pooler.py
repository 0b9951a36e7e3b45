"""Through PgBouncer in transaction mode: what sets a search_path for its transaction leaves nothing to others."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, Error, connections, transaction

from django_schemas import schema_cursor
from django_schemas.exceptions import SchemasError
from django_schemas.migrations import flush, migrate
from django_schemas.schemas import schema_exists
from django_schemas.search_path import has_own_session
from tests.apps.garage.models import Owner
from tests.apps.garage.witness import Place, seen
from tests.audit.capture import raw_sql
from tests.integration.django_schemas.catalog import catalog
from tests.pooler.bouncer import POOL_SIZE

pytestmark = pytest.mark.usefixtures("pooled")

WITNESSES = "SELECT DISTINCT witness FROM garage_owner"
USUAL = ['"$user", public'] * POOL_SIZE


def in_threads(function: Any, arguments: list[Any]) -> list[Any]:
    """Call a function in a thread for each of its arguments, at once."""

    def run(argument: Any) -> Any:
        try:
            return function(argument)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(arguments)) as threads:
        return list(threads.map(run, arguments))


def search_paths() -> list[str]:
    """The search_path of each session that the pooler has."""
    barrier = Barrier(POOL_SIZE)

    def look(_: int) -> tuple[int, str]:
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), current_setting('search_path')")
            row: tuple[int, str] = cursor.fetchone()
            barrier.wait(10)  # So each has one of its own.
            return row

    found = dict(in_threads(look, [*range(POOL_SIZE)]))
    assert len(found) == POOL_SIZE
    return list(found.values())


@pytest.fixture
def moved() -> Any:
    """Sessions whose search_path was moved by the user's own code; it is reset behind the test."""

    def everywhere(statement: str) -> None:
        barrier = Barrier(POOL_SIZE)

        def execute(_: int) -> None:
            with transaction.atomic(), connections["default"].cursor() as cursor:
                on_purpose = raw_sql("what user code may do") if statement.startswith("SET") else nullcontext()
                with on_purpose:
                    cursor.execute(statement)
                barrier.wait(10)

        in_threads(execute, [*range(POOL_SIZE)])

    everywhere("SET search_path TO globex")
    assert search_paths() == ["globex"] * POOL_SIZE
    yield
    everywhere("RESET search_path")
    assert search_paths() == USUAL


def test_goes_through_the_pooler(acme: Place) -> None:
    """The connections of these tests, in each thread, do not know which server process answers."""
    assert in_threads(lambda _: has_own_session(connections["default"]), [1, 2, 3]) == [False] * 3


def test_search_path_of_the_sessions_does_not_matter(moved: None, acme: Place, globex: Place) -> None:
    """Where user code has left all sessions in globex, acme's data is read and written in acme."""
    for _ in range(10):
        assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]
        assert seen(acme(Owner).objects.raw("SELECT * FROM garage_owner WHERE name = 'Ada'")) == [
            ("Ada", "default.acme")
        ]
        with schema_cursor("default", "acme") as cursor:
            cursor.execute(WITNESSES)
            assert cursor.fetchall() == [("default.acme",)]
    with acme.active():
        new = Owner.objects.create(name="Eva", witness="default.acme")
    assert seen(globex(Owner).objects.all()) == [("Ada", "default.globex"), ("Bob", "default.globex")]
    new.delete()
    assert search_paths() == ["globex"] * POOL_SIZE


def test_raw_sql_of_many_threads(acme: Place, globex: Place) -> None:
    """Cursors and raw queries of several schemas read their own rows, and leave no session changed."""

    def work(place: Place) -> set[Any]:
        found = set()
        for _ in range(25):
            with schema_cursor("default", place.schema) as cursor:
                cursor.execute(WITNESSES)
                found |= set(cursor.fetchall())
            found |= {(row.witness,) for row in place(Owner).objects.raw("SELECT * FROM garage_owner")}
            found |= {(row.witness,) for row in place(Owner).objects.all()}
        return found

    assert in_threads(work, [acme, globex] * 4) == [{("default.acme",)}, {("default.globex",)}] * 4
    assert search_paths() == USUAL


def test_error_in_a_cursor(acme: Place, globex: Place) -> None:
    """What failed is rolled back, and no session is left in its schema."""
    for _ in range(2 * POOL_SIZE):
        with pytest.raises(DatabaseError), schema_cursor("default", "acme") as cursor:
            cursor.execute("UPDATE garage_owner SET witness = 'wrong'")
            cursor.execute("SELECT no_such_column FROM garage_owner")
    assert search_paths() == USUAL
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_client_that_is_gone_in_the_middle(acme: Place, globex: Place) -> None:
    """A client that goes away inside of the block leaves neither its writes nor its search_path."""

    def leave(_: int) -> None:
        with pytest.raises(Error), schema_cursor("default", "acme") as cursor:
            cursor.execute("UPDATE garage_owner SET witness = 'wrong'")
            connection: Any = connections["default"].connection
            connection.close()

    in_threads(leave, [1])
    assert search_paths() == USUAL
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_savepoints(acme: Place, globex: Place) -> None:
    """Savepoints that are rolled back, by two threads of two schemas, leave each in its own."""

    def work(place: Place) -> set[str]:
        found = set()
        for _ in range(50):
            with transaction.atomic():
                for _ in range(5):
                    with transaction.atomic():
                        place(Owner).objects.update(witness="wrong")
                        transaction.set_rollback(True)
                with transaction.atomic(), schema_cursor("default", place.schema):
                    transaction.set_rollback(True)
                found |= {row.witness for row in place(Owner).objects.all()}
        return found

    assert in_threads(work, [acme, globex] * 2) == [{"default.acme"}, {"default.globex"}] * 2
    assert search_paths() == USUAL


def test_migrating(acme: Place, globex: Place) -> None:
    """Schemas that are migrated at once get the same tables as by a direct connection, and `public` gets none."""
    schemas = [f"pooled_{number}" for number in range(4)]
    before = catalog("default", "public")
    try:
        in_threads(lambda schema: migrate("default", schema=schema, environment="tenant"), schemas)
        expected = {item[:3] for item in catalog("default", "acme")}
        for schema in schemas:
            assert {item[:3] for item in catalog("default", schema)} == expected
        assert (search_paths(), catalog("default", "public")) == (USUAL, before)
    finally:
        for schema in schemas:
            if schema_exists("default", schema):
                flush("default", schema)


def test_migrating_one_schema_at_once(new_schema: str, acme: Place) -> None:
    """Two who migrate the same schema wait for each other: it is made once, and both succeed."""
    in_threads(lambda _: migrate("default", schema=new_schema, environment="tenant"), [1, 2])
    assert {item[:3] for item in catalog("default", new_schema)} == {item[:3] for item in catalog("default", "acme")}


NON_ATOMIC = """
    from django.contrib.postgres.operations import AddIndexConcurrently

    class Migration(migrations.Migration):
        atomic = False
        operations = [AddIndexConcurrently("Tag", models.Index(fields=["name"], name="tag_name_index"))]
"""


def test_non_atomic_migration_is_refused(new_schema: str, write_migrations: Any, acme: Place) -> None:
    """It would set the search_path of some session, and lock in another: the error says to connect directly."""
    migrate("default", schema=new_schema, environment="tenant")
    before = catalog("default", new_schema)
    write_migrations(_0003_index=NON_ATOMIC)
    with pytest.raises(SchemasError, match=r"0003_index is not atomic.*connect directly"):
        migrate("default", schema=new_schema, environment="tenant")
    assert (catalog("default", new_schema), search_paths()) == (before, USUAL)


def test_server_side_cursors_are_never_anothers(acme: Place, globex: Place) -> None:
    """Where they were left on, which a pooler breaks, a cursor is missing; it is not that of another process."""
    connections["default"].settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
    with ExitStack() as stack:
        # As after a fork: the same thread and the same number of cursors, so all that Django makes a name of.
        one, two, blocker = (connections.create_connection("default") for _ in range(3))
        for connection in (one, two, blocker):
            stack.callback(connection.close)
        mine, theirs = one.chunked_cursor(), two.chunked_cursor()
        sql = "SELECT pg_backend_pid(), witness FROM {}.garage_owner"
        mine.execute(sql.format("acme"))
        with occupied(blocker):
            theirs.execute(sql.format("globex"))
        with occupied(blocker), pytest.raises(DatabaseError, match="does not exist"):
            mine.fetchmany(1)


def test_server_side_cursors_inside_of_a_transaction(acme: Place, globex: Place) -> None:
    """A transaction keeps its session, so there they work, for several schemas at once."""
    connections["default"].settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False

    def work(place: Place) -> list[str]:
        with transaction.atomic():
            return [owner.witness for _ in range(20) for owner in place(Owner).objects.iterator(chunk_size=1)]

    assert in_threads(work, [acme, globex] * 2) == [["default.acme"] * 40, ["default.globex"] * 40] * 2


@contextmanager
def occupied(connection: Any) -> Iterator[None]:
    """Hold the session that a pooler gave out last: others get the other one."""
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        yield
    connection.rollback()
    connection.set_autocommit(True)

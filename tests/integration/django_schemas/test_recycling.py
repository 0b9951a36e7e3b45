"""Recycling: a connection that has seen as many schemas as it may ends where nothing is lost by that; only there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import close_old_connections, connections, transaction

from django_schemas import schema_cursor
from django_schemas.conf import max_schemas
from django_schemas.migrations import migrate
from django_schemas.replicas import note_write
from tests.apps.garage.models import Car, Owner
from tests.apps.garage.witness import Place
from tests.audit.capture import raw_sql

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(autouse=True)
def _limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two schemas, over connections that are kept."""
    connections.close_all()
    settings = connections["default"].settings_dict
    monkeypatch.setitem(settings, "MAX_SCHEMAS_PER_CONNECTION", 2)
    monkeypatch.setitem(settings, "CONN_MAX_AGE", None)
    note_write("default")  # No replica is read.
    yield
    connections.close_all()


def pid() -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def is_kept(between: Callable[[], None] = close_old_connections) -> bool:
    """Whether the session is the same behind the end of a request."""
    before = pid()
    between()
    return pid() == before


def test_behind_a_request(acme: Place, globex: Place) -> None:
    """One schema may be asked for ever; behind the second the session ends, and counting begins anew."""
    for _ in range(3):
        list(acme(Owner).objects.all())
        assert is_kept()
    list(globex(Owner).objects.all())
    assert not is_kept()
    assert is_kept()
    list(globex(Owner).objects.all())
    assert is_kept()


def test_the_first_statement_counts(acme: Place, globex: Place) -> None:
    """So does the one that had the connection made."""
    list(acme(Owner).objects.all())
    list(globex(Owner).objects.all())
    assert not is_kept()


def test_no_limit(acme: Place, globex: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """None: any number."""
    monkeypatch.setitem(connections["default"].settings_dict, "MAX_SCHEMAS_PER_CONNECTION", None)
    list(acme(Owner).objects.all())
    list(globex(Owner).objects.all())
    assert is_kept()


def raw(place: Place) -> None:
    list(place(Owner).objects.raw("SELECT * FROM garage_owner"))


def by_hand(place: Place) -> None:
    with schema_cursor(place.db, place.schema) as cursor:
        cursor.execute("SELECT FROM garage_owner")


def written(place: Place) -> None:
    with transaction.atomic("default"):
        place(Owner).objects.update(name="x")
        transaction.set_rollback(True, "default")


def migrated(place: Place) -> None:
    migrate(place.db, place.schema)


def joined(place: Place) -> None:
    list(place(Car).objects.select_related("owner"))


@pytest.mark.parametrize("ask", [raw, by_hand, written, migrated, joined])
def test_what_counts(acme: Place, globex: Place, ask: Callable[[Place], None]) -> None:
    """Whatever names tables of a schema."""
    ask(acme)
    assert {"acme"} <= connections["default"].seen <= {"acme", "public", "registry"}  # type: ignore[attr-defined]
    ask(globex)
    assert "globex" in connections["default"].seen  # type: ignore[attr-defined]
    assert not is_kept()


def test_across(acme: Place, globex: Place) -> None:
    """All those that one statement asks."""
    with raw_sql("asks several schemas, as it is told to"):
        list(Owner.across([acme.placement, globex.placement]))
    assert connections["default"].seen == {"acme", "globex"}  # type: ignore[attr-defined]


def test_never_in_a_transaction(acme: Place, globex: Place) -> None:
    """Nor while the project manages transactions by hand."""
    list(acme(Owner).objects.all())
    list(globex(Owner).objects.all())
    with transaction.atomic("default"):
        before = pid()
        connections["default"].pause()  # type: ignore[attr-defined]
        assert pid() == before
    transaction.set_autocommit(False, "default")
    try:
        before = pid()
        connections["default"].pause()  # type: ignore[attr-defined]
        assert pid() == before
        transaction.rollback("default")
    finally:
        transaction.set_autocommit(True, "default")
    assert not is_kept()


STATES = {
    "a temporary table": ("CREATE TEMPORARY TABLE kept ()", "DROP TABLE kept"),
    "a lock": ("SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"),
    "LISTEN": ("LISTEN kept", "UNLISTEN kept"),
    "a prepared statement": ("PREPARE kept AS SELECT 1", "DEALLOCATE kept"),
    "a cursor": ("DECLARE kept CURSOR WITH HOLD FOR SELECT 1", "CLOSE kept"),
}


@pytest.mark.parametrize(("begin", "end"), STATES.values(), ids=STATES)
def test_never_while_the_session_keeps(acme: Place, globex: Place, begin: str, end: str) -> None:
    """What would end with the session, until it is given up."""
    with connections["default"].cursor() as cursor:
        cursor.execute(begin)
    list(acme(Owner).objects.all())
    list(globex(Owner).objects.all())
    assert is_kept()
    with connections["default"].cursor() as cursor:
        cursor.execute(end)
    assert not is_kept()


def test_rows_that_are_still_read(acme: Place, globex: Place) -> None:
    """A server-side cursor goes on behind the end of a request."""
    acme(Owner).objects.bulk_create(acme(Owner)(name=f"owner {number}", witness="more") for number in range(50))
    try:
        rows = acme(Owner).objects.filter(witness="more").iterator(chunk_size=10)
        assert next(rows)
        list(globex(Owner).objects.all())
        assert is_kept()
        assert len(list(rows)) == 49
        assert not is_kept()
    finally:
        acme(Owner).objects.filter(witness="more").delete()


def test_costs_a_statement_where_it_is_due(acme: Place, sent: Callable[[], AbstractContextManager[list[str]]]) -> None:
    """Elsewhere a request sends what it sent."""
    with sent() as statements:
        list(acme(Owner).objects.all())
        close_old_connections()
    assert len(statements) == 1


def test_lost_meanwhile(acme: Place, globex: Place) -> None:
    """A connection that broke is no error at the end of a request."""
    list(acme(Owner).objects.all())
    list(globex(Owner).objects.all())
    before = pid()
    with connections["shard2"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    close_old_connections()
    assert pid() != before


def test_replicas_follow_their_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica's sees as many as its primary's, if it does not say otherwise; 500 if nobody does."""
    settings: Any = connections.settings
    monkeypatch.setitem(settings, "default-read8", {})
    monkeypatch.setitem(settings, "default-read9", {"MAX_SCHEMAS_PER_CONNECTION": None})
    found = [max_schemas(db, "default") for db in ("default", "default-read8", "default-read9")]
    assert (found, max_schemas("shard2", "shard2")) == ([2, 2, None], 500)

"""Reads from a real streaming replica: which go there, which stay with the primary, and that no write does."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.signals import request_finished, request_started
from django.db import (
    DatabaseError,
    OperationalError,
    ProgrammingError,
    close_old_connections,
    connections,
    transaction,
)
from django.db.models import Func, Max, TextField, Value
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from django_schemas import schema_cursor
from django_schemas.apart import connect
from django_schemas.exceptions import ReadOnlyReplica
from django_schemas.freshness import fresh
from django_schemas.migrations import flush, migrate
from django_schemas.replicas import forget_writes
from tests.apps.garage.models import Car, Note, Owner, Tag, Truck
from tests.apps.garage.witness import Place, seen
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan
from tests.integration.django_schemas.standby import REPLICA, until_read

pytestmark = [
    pytest.mark.standby,
    pytest.mark.skipif("default-read1" not in settings.DATABASES, reason="there is no replica"),
]


@pytest.fixture(autouse=True)
def _replica(replica: None) -> None:
    """Each test here reads it."""


@contextmanager
def asked() -> Iterator[list[str]]:
    """The aliases of the databases that were sent a query, in order of the aliases."""
    found: list[str] = []
    with (
        CaptureQueriesContext(connections["default"]) as primary,
        CaptureQueriesContext(connections[REPLICA]) as replica,
        CaptureQueriesContext(connections["shard2"]) as shard,
    ):
        yield found
    for alias, capture in (("default", primary), (REPLICA, replica), ("shard2", shard)):
        if len(capture):
            found.append(alias)


READS: dict[str, Callable[[Place], Any]] = {
    "list": lambda p: seen(p(Owner).objects.all()),
    "get": lambda p: p(Owner).objects.get(name="Ada").witness,
    "values": lambda p: list(p(Owner).objects.values_list("witness")),
    "count": lambda p: p(Owner).objects.count(),
    "exists": lambda p: p(Owner).objects.exists(),
    "iterator": lambda p: seen(p(Owner).objects.iterator()),
    "joins": lambda p: seen(p(Car).objects.filter(owner__name="Ada").select_related("owner")),
    "prefetch": lambda p: [seen(car.tags.all()) for car in p(Car).objects.prefetch_related("tags", "owner")],
    "union": lambda p: seen(p(Owner).objects.union(p(Owner).objects.all())),
    "context": lambda p: _active(p, lambda: seen(Owner.objects.all())),
    "adopted": lambda p: [user.last_name for user in p(User).objects.all()],
    "single schema": lambda p: seen(Plan.objects.all()),
    "raw": lambda p: seen(p(Owner).objects.raw("SELECT * FROM garage_owner")),
    "using the replica": lambda p: seen(p(Owner).objects.using(REPLICA)),
}


def _active(place: Place, function: Callable[[], Any]) -> Any:
    with place.active():
        return function()


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_reads_go_to_the_replica(read: Any, acme: Place) -> None:
    """Every kind of read asks the replica, and it alone, and gets the schema's rows."""
    with asked() as databases:
        answer = repr(read(acme))
    assert databases == [REPLICA]
    assert "public" not in answer
    assert "globex" not in answer


def test_database_without_a_replica(initech: Place) -> None:
    """It is read itself."""
    with asked() as databases:
        assert initech.ada.witness == "shard2.initech"
    assert databases == ["shard2"]


ROWS: dict[str, Callable[[Place], Any]] = {
    "plain": lambda p: p(Owner).objects.all(),
    "joined": lambda p: [car.owner for car in p(Car).objects.select_related("owner")],
    "joined, reverse": lambda p: [p(Car).objects.select_related("truck").get(name="Unimog").truck],
    "prefetched": lambda p: [tag for car in p(Car).objects.prefetch_related("tags") for tag in car.tags.all()],
    "prefetched, forward": lambda p: [car.owner for car in p(Car).objects.prefetch_related("owner")],
    "iterated": lambda p: p(Owner).objects.iterator(),
    "child": lambda p: p(Truck).objects.all(),
    "deferred": lambda p: p(Owner).objects.only("name"),
    "by the replica's alias": lambda p: p(Owner).objects.using(REPLICA),
    "adopted": lambda p: p(User).objects.all(),
    "raw": lambda p: p(Owner).objects.raw("SELECT * FROM garage_owner"),
    "in bulk": lambda p: p(Owner).objects.in_bulk().values(),
    "followed": lambda p: [p(Car).objects.get(name="Beetle").owner],
    "followed back": lambda p: p(Owner).objects.get(name="Ada").car_set.all(),
    "first": lambda p: [p(Owner).objects.first()],
    "union": lambda p: p(Owner).objects.union(p(Owner).objects.all()),
    "in a context": lambda p: _active(p, lambda: list(Owner.objects.all())),
    "generic": lambda p: [p(Note).objects.get(text="fast").target],
}


@pytest.mark.parametrize("read", ROWS.values(), ids=ROWS.keys())
def test_what_was_read_belongs_to_the_primary(read: Any, acme: Place) -> None:
    """`_state.db` of a row that the replica gave is the primary, however it came."""
    with asked() as databases:
        rows = list(read(acme))
    assert REPLICA in databases
    assert {(str(row._state.db), row._state.db.placement) for row in rows} == {("default", acme.placement)}


def test_row_of_replica_and_primary_are_equal(acme: Place, globex: Place) -> None:
    """The same row read from both is equal; the neighbour's is not."""
    from_replica = acme(Owner).objects.get(name="Ada")
    with transaction.atomic(using="default"):
        from_primary = acme(Owner).objects.get(name="Ada")
    assert (from_replica, hash(from_replica)) == (from_primary, hash(from_primary))
    assert from_replica != globex.ada


def test_inside_of_a_transaction(acme: Place, initech: Place) -> None:
    """Inside of `atomic()` on the primary, reads go there; a transaction on another database is none of this one."""
    with transaction.atomic(using="default"), asked() as databases:
        acme(Owner).objects.get(name="Ada")
    assert databases == ["default"]
    with transaction.atomic(using="shard2"), asked() as databases:
        acme(Owner).objects.get(name="Ada")
    assert databases == [REPLICA]


def test_locking_reads(acme: Place) -> None:
    """`select_for_update` locks on the primary."""
    with transaction.atomic(using="default"), asked() as databases:
        list(acme(Owner).objects.select_for_update())
    assert databases == ["default"]
    assert str(acme(Owner).objects.select_for_update().db) == "default"


WRITES: dict[str, Callable[[Place], Any]] = {
    "create": lambda p: p(Tag).objects.create(name="x", witness="replica"),
    "save": lambda p: p(Tag)(name="x", witness="replica").save(),
    "update": lambda p: p(Tag).objects.filter(witness="replica").update(name="x"),
    "delete": lambda p: (p(Tag).objects.create(witness="replica"), forget_writes(), _replicas(p).delete()),
    "bulk_create": lambda p: p(Tag).objects.bulk_create([Tag(name="x", witness="replica")]),
    "get_or_create": lambda p: p(Tag).objects.get_or_create(name="x", defaults={"witness": "replica"}),
    "save of what was read": lambda p: p(Tag).objects.get(name="red").save(),
    "many to many": lambda p: p(Car).objects.get(name="Beetle").tags.create(witness="replica"),
    "raw SQL": lambda p: _by_cursor(p),
    "another schema": lambda p: Place("default", "globex")(Tag).objects.filter(witness="replica").update(name="x"),
    "registry": lambda p: Plan.objects.filter(name="none").update(name="x"),
}


def _replicas(place: Place) -> Any:
    return place(Tag).objects.filter(witness="replica")


def _by_cursor(place: Place) -> None:
    with schema_cursor(place.db, place.schema) as cursor:
        cursor.execute("UPDATE garage_tag SET name = 'x' WHERE witness = 'replica'")


@pytest.fixture
def cleaned(acme: Place) -> Iterator[None]:
    """Delete what the tests below write."""
    yield
    acme(Tag).objects.filter(witness="replica").delete()


def heard(signal: Signal) -> None:
    """Send a signal to all but Django's own receiver, which closes connections."""
    signal.disconnect(close_old_connections)
    try:
        signal.send(sender=None)
    finally:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_reads_after_a_write(write: Any, acme: Place, cleaned: None) -> None:
    """After a write to the primary this context reads from there, to see what it wrote, until the next request."""
    write(acme)
    # As if a response that nobody closed were collected now: another request's end is not this one's.
    heard(request_finished)
    with asked() as databases:
        list(acme(Tag).objects.all())
    assert databases == ["default"]
    heard(request_started)
    with asked() as databases:
        list(acme(Tag).objects.all())
    assert databases == [REPLICA]


def test_read_your_writes(acme: Place, cleaned: None) -> None:
    """What was written is seen at once, a hundred times: no read gets an older state."""
    seen_at_once = []
    for number in range(100):
        tag = acme(Tag).objects.create(name=str(number), witness="replica")
        seen_at_once.append(acme(Tag).objects.filter(pk=tag.pk).exists())
    assert seen_at_once == [True] * 100


def test_writes_of_another_context_do_not_count(acme: Place, cleaned: None) -> None:
    """A thread that wrote makes only itself read from the primary; so does a copied context."""

    def write() -> bool:
        try:
            acme(Tag).objects.create(name="x", witness="replica")
            return str(acme(Tag).objects.all().db) == "default"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(write).result() is True
        assert pool.submit(copy_context().run, write).result() is True
    with asked() as databases:
        list(acme(Tag).objects.all())
    assert databases == [REPLICA]


def test_write_of_what_the_replica_gave(acme: Place) -> None:
    """A row from the replica is saved at the primary, and refreshed and followed there then."""
    ada = acme(Owner).objects.get(name="Ada")
    with asked() as databases:
        ada.save()
    assert databases == ["default"]
    with asked() as databases:
        ada.refresh_from_db()
        ada.car_set.count()
    assert databases == ["default"]


REFUSED: dict[str, Callable[[Place], Any]] = {
    "create": lambda p: p(Tag).objects.using(REPLICA).create(name="x", witness="replica"),
    "bulk_create": lambda p: p(Tag).objects.using(REPLICA).bulk_create([Tag(name="x", witness="replica")]),
    "update": lambda p: p(Tag).objects.using(REPLICA).update(name="x"),
    "delete": lambda p: p(Tag).objects.using(REPLICA).filter(name="red").delete(),
    "raw delete": lambda p: p(Tag).objects.filter(name="red")._raw_delete(REPLICA),
    "get_or_create": lambda p: p(Tag).objects.using(REPLICA).get_or_create(name="x", witness="replica"),
    "save": lambda p: p(Tag).objects.get(name="red").save(using=REPLICA),
    "save of a new one": lambda p: p(Tag)(name="x", witness="replica").save(using=REPLICA),
    "delete of an instance": lambda p: p(Tag).objects.get(name="red").delete(using=REPLICA),
    "adopted": lambda p: p(User).objects.using(REPLICA).update(email="x"),
    "single schema": lambda p: Plan.objects.using(REPLICA).update(name="x"),
}


@pytest.mark.parametrize("write", REFUSED.values(), ids=REFUSED.keys())
def test_writes_through_the_replica(write: Any, acme: Place) -> None:
    """A write that names the replica is ReadOnlyReplica, which names the primary; nothing is written anywhere."""
    with pytest.raises(ReadOnlyReplica) as caught:
        write(acme)
    assert str(caught.value) == "Database 'default-read1' is a replica: write to 'default'."
    assert seen(acme(Tag).objects.all()) == [(name, "default.acme") for name in ("migrated", "old", "red")]


def test_content_types_from_the_replica(acme: Place, globex: Place) -> None:
    """They are cached by schema, as those from the primary."""
    ContentType.objects.clear_cache()
    ids = []
    for place in (acme, globex, acme):
        with place.active():
            ids.append(ContentType.objects.get_for_model(Owner).pk)
    with transaction.atomic(using="default"), globex.active():
        ids.append(ContentType.objects.get_for_model(Owner).pk)
    assert ids[0] == ids[2] != ids[1] == ids[3]


def test_pickled_row_of_the_replica(acme: Place) -> None:
    """A queryset that was evaluated there can be pickled, and its rows belong to the primary."""
    loaded = pickle.loads(pickle.dumps(acme(Owner).objects.order_by("name")))
    assert {str(owner._state.db) for owner in loaded} == {"default"}
    assert seen(loaded.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def closed() -> None:
    """Close the connection to the replica behind Django's back."""
    connections[REPLICA].ensure_connection()
    connections[REPLICA].connection.close()


def ended_by_the_server() -> None:
    """Have the replica end the connection."""
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connect(REPLICA)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()


@pytest.mark.parametrize("end", [closed, ended_by_the_server])
def test_read_that_loses_the_replica(end: Callable[[], None], acme: Place) -> None:
    """It is answered by the primary, as the primary's; the replica is left out until it answers anew. All of this, with
    replicas that die and hang, is in `test_freshness`.
    """
    reads: list[Callable[[], Any]] = [
        lambda: [(owner.witness, owner._state.db.db) for owner in acme(Owner).objects.filter(name="Ada")],
        lambda: [(owner.witness, owner._state.db.db) for owner in acme(Owner).objects.filter(name="Ada").iterator()],
        lambda: [(acme(Owner).objects.aggregate(w=Max("witness"))["w"], "default")],
    ]
    for read in reads:
        until_read()
        end()
        with asked() as databases:
            assert read() == [("default.acme", "default")]
        assert "default" in databases
        assert fresh("default") == []


def test_plain_model_that_loses_the_replica() -> None:
    """A model of no environment that is asked for by the replica's alias is answered by the primary too."""
    closed()
    assert list(Leaflet.objects.using(REPLICA)) == []
    assert fresh("default") == []


def test_transaction_that_loses_the_replica(acme: Place) -> None:
    """A read in a transaction on the replica fails, for what was read before would not fit."""
    with pytest.raises(DatabaseError), transaction.atomic(using=REPLICA):
        ended_by_the_server()
        list(acme(Owner).objects.using(REPLICA))
    assert fresh("default") == []


def test_read_that_fails_on_the_replica(acme: Place) -> None:
    """What fails for another reason fails, and does not leave out the replica."""
    slept = Func(Value(30), function="pg_sleep", output_field=TextField())
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SET statement_timeout = 50")
    with CaptureQueriesContext(connections["default"]) as at_the_primary:
        with pytest.raises(OperationalError, match="statement timeout"):
            list(acme(Owner).objects.annotate(slept=slept))
        connections[REPLICA].close()
        with pytest.raises(ProgrammingError, match="min"):
            list(acme(Owner).objects.annotate(no=Func(Value(True), function="min")))
    assert len(at_the_primary) == 0
    assert fresh("default") == [REPLICA]


def test_what_the_replica_has_not_heard_of(acme: Place) -> None:
    """A schema that was just made is read at the primary; one that is nowhere is an error of the primary's."""
    new = Place("default", "unheard")
    with replay_paused():
        try:
            migrate("default", schema="unheard", environment="tenant")
            forget_writes()
            assert [tag.name for tag in new(Tag).objects.all()] == ["migrated"]
            assert [tag._state.db for tag in new(Tag).objects.all()] == ["default"]
            assert fresh("default") == [REPLICA]
            with pytest.raises(ProgrammingError, match="does not exist"):
                Place("default", "nowhere")(Tag).objects.count()
        finally:
            flush("default", "unheard")


@contextmanager
def replay_paused() -> Iterator[None]:
    """A context in which the replica hears of nothing."""
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute("SELECT pg_wal_replay_pause()")
        yield
    finally:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute("SELECT pg_wal_replay_resume()")

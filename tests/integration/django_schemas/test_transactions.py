"""A transaction writes to one database: a write to a second one within it is refused, before it is sent, unless
somebody says that it is meant.
"""

import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connections, transaction
from django.db.models.signals import pre_delete
from django.test import TestCase

from django_schemas import allow_two_databases
from django_schemas.exceptions import TwoDatabases
from tests.apps.garage.models import Tag
from tests.apps.garage.witness import Place
from tests.faults import HOWS, faults_at, points_of, run

pytestmark = pytest.mark.usefixtures("here_and_there")


def rows(place: Place) -> set[str]:
    """The names of what was written to a place."""
    return set(place(Tag).objects.filter(witness="two").values_list("name", flat=True))


def write(place: Place, name: str = "new") -> None:
    place(Tag).objects.create(name=name, witness="two")


@pytest.fixture
def here_and_there(committed: None, acme: Place, initech: Place) -> Iterator[tuple[Place, Place]]:
    """Places in two databases, in which nothing was written yet, and nothing is left."""
    yield acme, initech
    for place in (acme, initech):
        place(Tag).objects.filter(witness="two").delete()


WRITES: dict[str, Callable[[Place], Any]] = {
    "create": write,
    "save": lambda place: place.red.save(),
    "bulk_create": lambda place: place(Tag).objects.bulk_create([Tag(name="new", witness="two")]),
    "bulk_update": lambda place: place(Tag).objects.bulk_update([place.red], ["name"]),
    "update": lambda place: place(Tag).objects.filter(name="none").update(name="x"),
    "delete": lambda place: place(Tag)(pk=0).delete(),
    "get_or_create": lambda place: place(Tag).objects.get_or_create(name="new", witness="two"),
    "add": lambda place: place.beetle.tags.add(place(Tag).objects.create(name="new", witness="two")),
}


@pytest.mark.parametrize("name", WRITES)
def test_second_database(acme: Place, initech: Place, name: str) -> None:
    """Refused whatever writes, in words that name both, before anything is sent; the first is rolled back with it."""
    WRITES[name](initech)
    initech(Tag).objects.filter(witness="two").delete()
    with pytest.raises(TwoDatabases, match=r"'default'.* 'shard2' is about to be written to"), transaction.atomic():
        write(acme)
        WRITES[name](initech)
    assert (rows(acme), rows(initech)) == (set(), set())


def test_second_database_first(acme: Place, initech: Place) -> None:
    """What was written elsewhere before is committed by then: the transaction's own first write is refused."""
    with pytest.raises(TwoDatabases, match=r"'default'.* 'shard2' was written to"), transaction.atomic():
        write(initech)
        write(acme)
    assert (rows(acme), rows(initech)) == (set(), {"new"})


@pytest.mark.parametrize("inner", ["acme", "initech"])
def test_two_transactions(acme: Place, initech: Place, inner: str) -> None:
    """Of two transactions, one in the other, one may write, whichever it is."""
    first, second = (initech, acme) if inner == "acme" else (acme, initech)
    with transaction.atomic(using=first.db), transaction.atomic(using=second.db):
        write(first)
        write(first, "again")
        with pytest.raises(TwoDatabases), transaction.atomic(using=second.db):
            write(second)
    assert (rows(first), rows(second)) == ({"new", "again"}, set())


def test_what_is_no_second_write(acme: Place, globex: Place, initech: Place) -> None:
    """Reads elsewhere, another schema of the same database, and what is done behind a transaction are as ever."""
    with transaction.atomic():
        write(acme)
        write(globex)
        assert rows(initech) == set()
        transaction.on_commit(lambda: write(initech))
    assert (rows(acme), rows(initech)) == ({"new"}, {"new"})
    with transaction.atomic():
        assert rows(acme) == {"new"}
        # Nothing is written by this transaction, so nothing can be lost by it.
        write(initech, "more")
    write(acme, "more")
    with transaction.atomic(using="shard2"):
        write(initech, "most")
    globex(Tag).objects.filter(witness="two").delete()


def test_next_transaction(acme: Place, initech: Place) -> None:
    """What one transaction wrote is nothing to the next, be it by the same decorator."""

    @transaction.atomic
    def here(name: str) -> None:
        write(acme, name)

    @transaction.atomic(using="shard2")
    def there(name: str) -> None:
        write(initech, name)

    for name in ("a", "b"):
        here(name)
        there(name)

    @transaction.atomic
    def either(place: Place) -> None:
        write(place, "e")

    either(acme)
    either(initech)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write(acme, "c")
        raise ZeroDivisionError
    with transaction.atomic():
        write(initech, "c")
    assert (rows(acme), rows(initech)) == ({"a", "b", "e"}, {"a", "b", "c", "e"})


def test_receivers(acme: Place, initech: Place) -> None:
    """What a receiver writes elsewhere is let through where Django alone opened a transaction, for a deletion; it is
    refused where somebody else did.
    """

    def note(**kwargs: Any) -> None:
        write(initech, "noted")

    pre_delete.connect(note, sender=Tag)
    try:
        write(acme)
        acme(Tag).objects.filter(witness="two").delete()
        assert (rows(acme), rows(initech)) == (set(), {"noted"})
        write(acme)
        with pytest.raises(TwoDatabases), transaction.atomic():
            acme(Tag).objects.filter(witness="two").delete()
        assert rows(acme) == {"new"}
    finally:
        pre_delete.disconnect(note, sender=Tag)


def test_allowed(acme: Place, initech: Place) -> None:
    """Who says so may; behind that it is refused again."""

    @allow_two_databases("by a decorator")
    def both(name: str) -> None:
        write(initech, name)

    with transaction.atomic():
        write(acme)
        with allow_two_databases("a log"):
            write(initech)
        both("decorated")
        with pytest.raises(TwoDatabases), transaction.atomic():
            write(initech, "refused")
    assert (rows(acme), rows(initech)) == ({"new"}, {"new", "decorated"})


@pytest.mark.parametrize("log_first", [True, False])
def test_what_django_writes_beside(acme: Place, initech: Place, log_first: bool) -> None:
    """The admin's log, where it is in another database than what is changed, is written as ever."""
    logs = acme(LogEntry).objects.filter(object_repr="two")

    def log() -> None:
        acme(LogEntry).objects.create(user_id=acme.user.pk, object_repr="two", action_flag=CHANGE)

    try:
        with transaction.atomic(), transaction.atomic(using="shard2"):
            if log_first:
                log()
            write(initech)
            if not log_first:
                log()
        assert (logs.count(), rows(initech)) == (1, {"new"})
    finally:
        logs.delete()


def test_testcase(acme: Place, initech: Place) -> None:
    """The transactions that a TestCase opens around a test are not the test's: what that opens itself are."""

    class Case(TestCase):
        databases = ("default", "shard2")

        def test(self) -> None:
            write(acme)
            write(initech)
            with transaction.atomic():
                write(acme)
            with transaction.atomic(using="shard2"):
                write(initech)
            with pytest.raises(TwoDatabases), transaction.atomic(using="shard2"), transaction.atomic():
                write(acme)
                write(initech)
            write(initech)

    result = unittest.TestResult()
    unittest.TestSuite([Case("test")]).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_threads_have_connections_of_their_own(acme: Place, initech: Place) -> None:
    """Another thread's transaction is nothing to this one."""

    def there() -> None:
        try:
            write(initech)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        write(acme)
        pool.submit(there).result()
    assert (rows(acme), rows(initech)) == ({"new"}, {"new"})


def nested(acme: Place, initech: Place) -> None:
    with transaction.atomic():
        write(acme)
        with transaction.atomic(using="shard2"):
            write(initech)
        write(acme, "more")


def around(acme: Place, initech: Place) -> None:
    with transaction.atomic(using="shard2"), transaction.atomic():
        write(acme)
        write(initech)


def behind(acme: Place, initech: Place) -> None:
    with transaction.atomic():
        write(acme)
        transaction.on_commit(lambda: write(initech))


@allow_two_databases("to see what becomes of it")
def meant(acme: Place, initech: Place) -> None:
    nested(acme, initech)


@allow_two_databases("to see what becomes of it")
def meant_around(acme: Place, initech: Place) -> None:
    around(acme, initech)


STORIES: dict[Callable[[Place, Place], None], bool] = {
    nested: False,
    around: False,
    behind: True,
    meant: True,
    meant_around: True,
}
"""Ways to write to both, and whether they are let."""


def break_stories(acme: Place, initech: Place, hows: tuple[str, ...]) -> int:
    """Break each story at each point; how many that were. Where nothing is said, both are written or neither is."""
    broken = 0
    for story, let in STORIES.items():

        def tell(story: Callable[[Place, Place], None] = story, let: bool = let) -> str:
            try:
                story(acme, initech)
            except TwoDatabases:
                if let:
                    raise
                return "refused"
            return "done"

        for fault in faults_at(points_of(tell), hows):
            for place in (acme, initech):
                place(Tag).objects.filter(witness="two").delete()
            outcome = run(tell, fault)
            found = bool(rows(acme)), bool(rows(initech))
            if not let:
                assert found == (False, False), (story, fault, outcome)
            elif outcome.result == "done":
                assert found == (True, True), (story, fault, outcome)
            else:
                assert outcome.error or outcome.killed, (story, fault)
            broken += 1
    return broken


def test_faults(acme: Place, initech: Place) -> None:
    """An error at each statement and each commit: half of it is never told as done."""
    assert break_stories(acme, initech, ("error",)) >= 12


@pytest.mark.long
def test_faults_at_length(acme: Place, initech: Place) -> None:
    """Errors, connections that break before and behind a commit, and kills."""
    assert sum(break_stories(acme, initech, HOWS) for _ in range(2)) >= 100

"""Capture: rows that are fetched bit by bit, here and there, are all of the schema that the query was made in."""

import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, ProtectedError

from django_schemas import bind
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

CARS = [("Beetle", {"old", "red"}), ("Mini", {"red"}), ("Unimog", set())]


def open_cursors() -> int:
    """How many cursors of Django's the server holds for this connection."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE '%%_django_curs_%%'")
        count: int = cursor.fetchone()[0]
        return count


def shown(car: Car) -> tuple[str, set[str]]:
    """A car's name and its tags', once all of them were seen to be of acme, and to know it."""
    rows: list[Any] = [car, *car.tags.all()]
    assert {(row.witness, row.schema_name, row.db_name) for row in rows} == {("default.acme", "acme", "default")}
    return car.name, {tag.name for tag in rows[1:]}


ITERATORS: dict[str, Callable[[], Iterator[Car]]] = {
    "rows": lambda: iter(Car.objects.order_by("name")),
    "server-side cursor": lambda: Car.objects.order_by("name").iterator(chunk_size=1),
    "with prefetches": lambda: Car.objects.order_by("name").prefetch_related("tags").iterator(chunk_size=1),
    "with a prefetch of a queryset": lambda: (
        Car.objects.order_by("name")
        .prefetch_related(Prefetch("tags", Tag.objects.order_by("pk")))
        .iterator(chunk_size=1)
    ),
    "joined": lambda: Car.objects.order_by("name").select_related("owner").iterator(chunk_size=1),
    "generator": lambda: (car for car in Car.objects.order_by("name").iterator(chunk_size=1)),
    "raw": lambda: iter(Car.objects.raw("SELECT * FROM garage_car ORDER BY name")),
}  # fmt: skip


@pytest.mark.parametrize("others", [["globex", None, "initech"], [None, "initech", "globex"]])
@pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS.keys())
def test_rows_fetched_here_and_there(
    make: Any, others: list[str | None], acme: Place, globex: Place, initech: Place
) -> None:
    """An iterator that was made in acme, and is advanced in other schemas or in none, gives acme's rows."""
    places = {"globex": globex, "initech": initech}
    with acme.active():
        rows = make()
    found = []
    for other in others:
        with ExitStack() as stack:
            if other is not None:
                stack.enter_context(places[other].active())
            found.append(shown(next(rows)))
    assert found == CARS
    assert next(rows, None) is None


SHARED = Car.objects.order_by("name").prefetch_related("tags")
"""A queryset as modules have them, which belongs to no schema."""


def test_shared_queryset_iterated_here_and_there(acme: Place, globex: Place) -> None:
    """An iterator of a queryset that belongs to no schema belongs to the one that it was made in."""
    with acme.active():
        rows = SHARED.iterator(chunk_size=1)
    with globex.active():
        found = [shown(next(rows)), shown(next(rows))]
    assert [*found, *map(shown, rows)] == CARS
    with pytest.raises(NoActiveSchema):
        SHARED.iterator(chunk_size=1)


def test_shared_queryset_iterated_asynchronously(acme: Place, globex: Place) -> None:
    """An asynchronous one too."""

    async def main() -> list[str]:
        with acme.active():
            rows = SHARED.aiterator(chunk_size=1)
        with globex.active():
            return [car.witness async for car in rows]

    assert async_to_sync(main)() == ["default.acme"] * 3


def test_cursors_are_the_servers(acme: Place, globex: Place) -> None:
    """Two iterators of two schemas each hold a cursor in the server while they are read in turn."""
    with acme.active():
        mine = Car.objects.order_by("name").prefetch_related("tags").iterator(chunk_size=1)
    with globex.active():
        theirs = Car.objects.order_by("name").iterator(chunk_size=1)
        pairs = [(shown(one), two.witness, open_cursors()) for one, two in zip(mine, theirs, strict=True)]
    assert pairs == [(car, "default.globex", 2) for car in CARS]


def test_iterator_over_the_end_of_a_transaction(committed: None, acme: Place, globex: Place) -> None:
    """A cursor that is opened outside of a transaction goes on behind one of another schema's."""
    with acme.active():
        rows = Car.objects.order_by("name").iterator(chunk_size=1)
    found = [shown(next(rows))]
    with globex.active(), transaction.atomic():
        found.append(shown(next(rows)))
        assert Owner.objects.get(name="Ada").witness == "default.globex"
    assert [*found, *map(shown, rows)] == CARS


@pytest.mark.skipif("default-read1" not in connections.settings, reason="there is no replica")
def test_iterator_on_a_replica(replica: None, acme: Place, globex: Place) -> None:
    """What is read from a replica, here and there, belongs to acme on the primary, and what is prefetched too."""
    with acme.active():
        cars = Car.objects.order_by("name").prefetch_related("tags").select_related("owner")
    assert cars.db == "default-read1"
    rows = cars.iterator(chunk_size=1)
    with globex.active():
        found = [shown(next(rows)), shown(next(rows))]
    assert [*found, *map(shown, rows)] == CARS


ASYNC_ITERATORS: dict[str, Callable[[], AsyncIterator[Car]]] = {
    "rows": lambda: aiter(Car.objects.order_by("name")),
    "aiterator": lambda: Car.objects.order_by("name").aiterator(chunk_size=1),
    "with prefetches": lambda: Car.objects.order_by("name").prefetch_related("tags").aiterator(chunk_size=1),
}  # fmt: skip


@pytest.mark.parametrize("make", ASYNC_ITERATORS.values(), ids=ASYNC_ITERATORS.keys())
def test_rows_fetched_asynchronously(make: Any, acme: Place, globex: Place, initech: Place) -> None:
    """An asynchronous iterator that is advanced in other schemas gives the rows of the schema it was made in."""

    async def show(car: Car) -> tuple[str, set[str]]:
        assert (car.witness, car.schema_name) == ("default.acme", "acme")
        return car.name, {tag.name async for tag in car.tags.all()}

    async def main() -> list[tuple[str, set[str]]]:
        async with acme.active():
            rows = make()
        found = []
        for place in (globex, initech):
            async with place.active():
                found.append(await show(await anext(rows)))
        return [*found, *[await show(row) async for row in rows]]

    assert async_to_sync(main)() == CARS


def test_pickled_and_iterated(acme: Place, globex: Place) -> None:
    """A queryset that went through a pickle is iterated in its schema, prefetches and all."""
    with acme.active():
        pickled = pickle.dumps(Car.objects.order_by("name").prefetch_related("tags"))
    with globex.active():
        rows = pickle.loads(pickled).iterator(chunk_size=2)
        assert [shown(row) for row in rows] == CARS


JOINED: dict[str, Callable[[], Any]] = {
    "filter": lambda: Plan.objects.filter(owner__witness="default.acme").distinct(),
    "values": lambda: Plan.objects.values_list("owner__witness", flat=True).distinct(),
    "exclusion": lambda: Plan.objects.exclude(owner__car__witness="default.globex"),
    "annotation": lambda: Plan.objects.annotate(n=Count("owner")).filter(n=2),
    "subquery": lambda: Plan.objects.filter(Exists(Owner.objects.filter(plan=OuterRef("pk"), witness="default.acme"))),
    "subquery of its own": lambda: Plan.objects.filter(pk__in=Plan.objects.filter(owner__witness="default.acme")),
    "using": lambda: Plan.objects.using("default").filter(owner__witness="default.acme").distinct(),
    "manager of a bound model": lambda: Plan.auto_db().objects.filter(owner__witness="default.acme").distinct(),
}


@pytest.fixture
def planned(acme: Place, globex: Place) -> None:
    """In acme both owners have the plan, in globex one of them."""
    plan = Plan.objects.get()
    acme(Owner).objects.update(plan=plan)
    globex(Owner).objects.filter(name="Ada").update(plan=plan)


@pytest.mark.parametrize("pickled", [False, True], ids=["", "pickled"])
@pytest.mark.parametrize("make", JOINED.values(), ids=JOINED.keys())
def test_registry_joined_to_a_schema(make: Any, pickled: bool, planned: None, acme: Place, globex: Place) -> None:
    """A queryset of the registry that joins tables of the schema it was made in keeps joining these elsewhere."""
    with acme.active():
        queryset = make()
        expected = list(queryset.all())
    assert len(expected) == 1
    if pickled:
        queryset = pickle.loads(pickle.dumps(queryset))
    with globex.active():
        assert (list(queryset.all()), queryset.count(), queryset.exists()) == (expected, 1, True)
    assert list(queryset) == expected


def test_registry_joined_where_nothing_was_active(planned: None, acme: Place, globex: Place) -> None:
    """One that was made in no schema joins the tables of that in which it is evaluated."""
    queryset = Plan.objects.values_list("owner__witness", flat=True).distinct()
    for place in (acme, globex):
        with place.active():
            assert list(queryset.all()) == [place.witness]
    with pytest.raises(NoActiveSchema):
        list(queryset.all())


def test_registry_prefetching_from_a_schema(planned: None, acme: Place, globex: Place) -> None:
    """What it prefetches is of the schema it was made in; by rows, by chunks, asynchronously."""

    async def by_chunks(queryset: Any) -> list[Plan]:
        return [plan async for plan in queryset.aiterator(chunk_size=1)]

    with acme.active():
        querysets = [model.objects.prefetch_related("owner_set") for model in (Plan, Plan.auto_db())]
    for plans in querysets:
        for fetch in (list, lambda plans: list(plans.iterator(chunk_size=1)), async_to_sync(by_chunks)):
            with globex.active():
                (plan,) = fetch(plans.all())
            assert seen(plan.owner_set.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_registry_iterated_here_and_there(planned: None, acme: Place, globex: Place) -> None:
    """An iterator of the registry prefetches, at all its steps, from the schema that it was made in."""
    acme(Owner).objects.update(plan=Plan.objects.create(name="silver", witness="default.registry"))
    globex(Owner).objects.update(plan=Plan.objects.get(name="gold"))
    for model in (Plan, bind(Plan, "default", "registry")):
        plans = model.objects.prefetch_related("owner_set").order_by("name")
        with acme.active():
            rows = plans.iterator(chunk_size=1)
        with globex.active():
            gold = next(rows)
        silver = next(rows)
        assert seen(gold.owner_set.all()) == []
        assert seen(silver.owner_set.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]


def test_registry_queryset_of_another_schema_in_a_query(planned: None, acme: Place, globex: Place) -> None:
    """Put into a query of another schema, one that joins its own is refused: no statement has two schemas."""
    nowhere = Owner.objects.filter(name="Ada").values("plan")
    makes: list[Callable[[], Any]] = [
        lambda: Plan.objects.filter(owner__name="Ada"),
        # Django makes a query of its own for what is excluded.
        lambda: Plan.objects.exclude(owner__car__name="Porsche"),
        lambda: Plan.objects.filter(pk__in=nowhere),
        lambda: Plan.objects.extra(tables=["garage_owner"], where=["garage_owner.plan_id = platform_plan.id"]),
    ]
    for make in makes:
        with globex.active():
            plans = make()
            assert Owner.objects.filter(plan__in=plans).count() == 1
        with acme.active():
            with pytest.raises(SchemaMismatch):
                list(Owner.objects.filter(plan__in=plans))
            assert Owner.objects.filter(plan__in=make()).count() == 2
    with globex.active():
        unjoined = Plan.objects.filter(name="gold")
        other = Plan.objects.filter(pk__in=acme(Owner).objects.values("plan"))
    with globex.active(), acme.active():
        innermost = Plan.objects.filter(owner__name="Ada")
    for plans in (unjoined, other, innermost):
        assert acme(Owner).objects.filter(plan__in=plans).count() == 2


def test_objects_fetched_along_with_those_of_the_registry(acme: Place, globex: Place) -> None:
    """Objects of a schema that are joined to those of the registry belong to the schema that they were read in."""
    for place in (acme, globex):
        place(Badge).objects.update(plan=Plan.objects.get())
    plans = Plan.objects.select_related("badge")
    with acme.active():
        rows = plans.filter(badge__isnull=False).iterator(chunk_size=1)
        made = Plan.objects.select_related("badge").filter(badge__isnull=False)
    with globex.active():
        for plan in (next(rows), made.get()):
            assert (plan.badge.witness, plan.badge.schema_name) == ("default.acme", "acme")


def test_registry_queryset_that_deletes(planned: None, acme: Place, globex: Place) -> None:
    """Deleting by a queryset of the registry does what is to be done in the schema that it was made in."""
    globex(Owner).objects.update(plan=None)
    with acme.active():
        plans = Plan.objects.filter(name="gold")
    with globex.active(), pytest.raises(ProtectedError) as caught:
        plans.delete()
    protected: Any = caught.value.protected_objects
    assert seen(protected) == [("Ada", "default.acme"), ("Bob", "default.acme")]

"""Querysets and managers: what is made in a schema reads that schema, wherever it is evaluated."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any, ClassVar

import pytest
from asgiref.sync import async_to_sync
from django.core.paginator import Paginator
from django.db import connections, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber, Upper
from django.db.models.signals import post_init
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.views.generic import ListView

from django_schemas import active_placement
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, CarQuerySet, OldCar, Owner, Tag, Truck
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

Watch = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(params=["globex", "initech", "nothing"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """What is active where a queryset of acme is evaluated."""
    with nullcontext() if request.param == "nothing" else request.getfixturevalue(request.param).active():
        yield


@pytest.fixture
def made(acme: Place) -> Any:
    """Makes something in acme."""

    def make(function: Callable[[], Any]) -> Any:
        with acme.active():
            return function()

    return make


EVALUATIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "list": (lambda q: [car.witness for car in q], ["default.acme"] * 3),
    "length": (lambda q: len(q.filter(witness="default.acme")), 3),
    "index": (lambda q: q[0].witness, "default.acme"),
    "slice": (lambda q: [car.witness for car in q[1:3]], ["default.acme"] * 2),
    "first": (lambda q: q.first().witness, "default.acme"),
    "last": (lambda q: q.last().witness, "default.acme"),
    "get": (lambda q: q.get(name="Mini").witness, "default.acme"),
    "count": (lambda q: q.filter(witness="default.acme").count(), 3),
    "exists": (lambda q: q.filter(witness="default.acme").exists(), True),
    "not exists": (lambda q: q.exclude(witness="default.acme").exists(), False),
    "bool": (lambda q: bool(q.filter(witness="default.acme")), True),
    "aggregate": (lambda q: q.aggregate(w=Max("witness")), {"w": "default.acme"}),
    "values": (lambda q: list(q.order_by().values("witness").distinct()), [{"witness": "default.acme"}]),
    "values_list": (lambda q: set(q.values_list("witness", flat=True)), {"default.acme"}),
    "iterator": (lambda q: {car.witness for car in q.iterator(chunk_size=1)}, {"default.acme"}),
    "iterator, prefetch": (
        lambda q: {t.witness for c in q.prefetch_related("tags").iterator(chunk_size=2) for t in c.tags.all()},
        {"default.acme"},
    ),
    "in_bulk": (lambda q: {car.witness for car in q.in_bulk().values()}, {"default.acme"}),
    "earliest": (lambda q: q.earliest("pk").witness, "default.acme"),
    "latest": (lambda q: q.latest("pk").witness, "default.acme"),
    "explain": (lambda q: "acme.garage_car" in q.explain(verbose=True), True),
    "update": (lambda q: q.filter(witness="default.acme").update(name="x"), 3),
    "delete": (
        lambda q: q.filter(witness="default.acme", name="Mini").delete(),
        (2, {"garage.Car_tags": 1, "garage.Car": 1}),
    ),
    "create": (lambda q: (q.create(name="x", witness="x").schema_name), "acme"),
    "get_or_create": (lambda q: q.get_or_create(name="Mini")[0].witness, "default.acme"),
    "update_or_create": (lambda q: q.update_or_create(name="Mini", defaults={"name": "M"})[0].witness, "default.acme"),
    "bulk_create": (lambda q: [car.schema_name for car in q.bulk_create([Car(name="x", witness="x")])], ["acme"]),
    "annotate": (lambda q: {c.upper for c in q.annotate(upper=Upper("witness"))}, {"DEFAULT.ACME"}),
    "count of a join": (lambda q: q.filter(owner__witness="default.acme", tags__witness="default.acme").count(), 3),
    "union": (lambda q: {car.witness for car in q.order_by().union(q.order_by())}, {"default.acme"}),
    "select_related": (lambda q: {c.owner.witness for c in q.select_related("owner")}, {"default.acme"}),
    "prefetch_related": (
        lambda q: {t.witness for c in q.prefetch_related("tags") for t in c.tags.all()},
        {"default.acme"},
    ),
    "raw": (
        lambda q: {car.witness for car in q.raw("SELECT * FROM garage_car")},
        {"default.acme"},
    ),
    "repr": (lambda q: repr(q).count("<Car: Car object"), 3),
}  # fmt: skip


@pytest.mark.parametrize(("evaluate", "expected"), EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_lazy_queryset(evaluate: Any, expected: Any, made: Any, elsewhere: None) -> None:
    """A queryset that was made in acme is acme's, in whatever way and wherever it is evaluated."""
    queryset = made(lambda: Car.objects.order_by("pk"))
    assert evaluate(queryset) == expected


async def _by_async_for(queryset: Any) -> Any:
    return [row async for row in queryset][0]


async def _by_aget(queryset: Any) -> Any:
    return await queryset.aget(name="Mini")


async def _by_afirst(queryset: Any) -> Any:
    return await queryset.afirst()


async def _by_acreate(queryset: Any) -> Any:
    return await queryset.acreate(name="x", witness="default.acme")


async def _by_aget_or_create(queryset: Any) -> Any:
    return (await queryset.aget_or_create(name="Mini"))[0]


async def _by_arefresh(queryset: Any) -> Any:
    car = await queryset.afirst()
    car.witness = "stale"
    await car.asave()
    await queryset.filter(pk=car.pk).aupdate(witness="default.acme")
    await car.arefresh_from_db()
    return car


@pytest.mark.parametrize(
    "evaluate", [_by_async_for, _by_aget, _by_afirst, _by_acreate, _by_aget_or_create, _by_arefresh]
)
def test_lazy_queryset_evaluated_asynchronously(evaluate: Any, made: Any, elsewhere: None) -> None:
    """The same with the asynchronous methods."""
    queryset = made(lambda: Car.objects.order_by("pk"))
    assert async_to_sync(evaluate)(queryset).witness == "default.acme"


def test_queryset_that_was_evaluated(made: Any, elsewhere: None, nothing_sent: Watch) -> None:
    """What it fetched in acme stays fetched; a new clone of it asks acme again."""
    queryset = made(Car.objects.all)
    first = seen(queryset)
    with nothing_sent():
        assert seen(queryset) == first
    assert seen(queryset.all()) == first == [(name, "default.acme") for name in ("Beetle", "Mini", "Unimog")]


@pytest.mark.parametrize(
    "make",
    [
        Car.objects.all,
        lambda: Car.objects.all().tagged("red"),
        lambda: Car.fleet.tagged("red").select_related("owner"),
        lambda: OldCar.objects.prefetch_related("tags"),
        lambda: Truck.objects.filter(payload__gt=1)[:5],
        lambda: Car.objects.filter(owner__in=Owner.objects.filter(name="Ada")),
        lambda: Car.objects.annotate(x=Exists(Tag.objects.filter(car=OuterRef("pk")))),
        lambda: Car.objects.union(Car.objects.all()),
        lambda: Car.objects.using("default"),
        lambda: Owner.objects.get(name="Ada").car_set.all(),
        lambda: Tag.objects.get(name="red").car_set.all(),
    ],
)
def test_pickled_queryset(make: Any, made: Any, elsewhere: None) -> None:
    """A queryset that is pickled in acme, evaluated or not, is acme's where it is loaded; clones of it too."""
    queryset = made(make)
    expected = seen(queryset.all())
    assert {witness for _, witness in expected} == {"default.acme"}
    loaded = pickle.loads(pickle.dumps(queryset))
    assert type(loaded) is type(queryset)
    assert seen(loaded) == seen(loaded.all()) == seen(deepcopy(queryset)) == expected


def test_pickled_query(made: Any, elsewhere: None) -> None:
    """A query that is pickled by itself, as Django's documentation shows, is acme's in a queryset that has none."""
    query = pickle.loads(pickle.dumps(made(lambda: Car.objects.order_by("name").query)))
    queryset = Car.set_db("default", "acme").objects.all()
    queryset.query = query
    assert seen(queryset) == [("Beetle", "default.acme"), ("Mini", "default.acme"), ("Unimog", "default.acme")]


def test_pickled_manager(made: Any, elsewhere: None) -> None:
    """A bound manager that comes from another process is bound still."""
    manager = pickle.loads(pickle.dumps(Owner.set_db("default", "acme").objects))
    assert seen(manager.named("Ada")) == [("Ada", "default.acme")]


def test_manager_kept_from_elsewhere(acme: Place, elsewhere: None) -> None:
    """The manager of a bound model or of an instance can be kept and used anywhere."""
    managers = [acme(Car).objects, acme.bob.car_set, acme.red.car_set, acme.ada.notes, acme.beetle.tags]
    found = {row.witness for manager in managers for row in manager.all()}
    assert found == {"default.acme"}


def test_manager_of_the_model_follows_the_context(acme: Place, globex: Place) -> None:
    """A manager that was kept, unlike a queryset, asks where its user is."""
    manager = Car.objects
    for place in (acme, globex):
        with place.active():
            assert {car.witness for car in manager.all()} == {place.witness}
    with pytest.raises(NoActiveSchema):
        list(manager.all())


def test_manager_that_builds_its_queryset_by_hand(acme: Place, globex: Place) -> None:
    """`CarQuerySet(self.model, using=self._db)` in a project's get_queryset carries the placement as others do."""
    queryset = acme(Car).objects.all()
    assert isinstance(queryset, CarQuerySet)
    with globex.active():
        assert seen(queryset.tagged("old")) == [("Beetle", "default.acme")]
        assert seen(acme(Car).objects.using("default").tagged("old")) == [("Beetle", "default.acme")]
        assert seen(acme(Car).fleet.tagged("old")) == [("Beetle", "default.acme")]
        assert seen(acme.ada.car_set.all().tagged("old")) == [("Beetle", "default.acme")]


def test_queryset_made_by_hand(acme: Place, globex: Place) -> None:
    """A queryset that is made without any manager is placed where it is evaluated, never anywhere else."""
    queryset = QuerySet(Car).order_by("name")
    for place in (acme, globex):
        with place.active():
            assert {car.witness for car in queryset.all()} == {place.witness}
    with pytest.raises(NoActiveSchema):
        list(queryset.all())
    for using in ("default", acme.ada._state.db):
        with acme.active():
            assert {car.witness for car in QuerySet(Car, using=using)} == {"default.acme"}
    with pytest.raises(NoActiveSchema):
        list(QuerySet(Car, using="default"))


def test_without_any_router(acme: Place, settings: Any) -> None:
    """What is bound is asked where it is bound, also where no router has a say: that is a check's to tell."""
    settings.DATABASE_ROUTERS = []
    assert seen(acme(Owner).objects.all()) == [("Ada", "default.acme"), ("Bob", "default.acme")]
    with acme.active(), pytest.raises(NoActiveSchema):
        list(acme(Owner).objects.using("shard2"))


def test_window_around(acme: Place) -> None:
    """A registry query that was made within a schema is filtered by a window as any other is: by a subquery."""
    with acme.active():
        plans = Plan.objects.annotate(number=Window(RowNumber(), order_by="name")).filter(number__lte=F("pk"))
        assert [(plan.name, plan.number) for plan in plans] == [("gold", 1)]
    assert plans.all().get().name == "gold"


def test_what_matches_nothing(acme: Place) -> None:
    """A query that can match nothing is not sent, as in Django."""
    with CaptureQueriesContext(connections["default"]) as sent:
        assert list(acme(Car).objects.filter(pk__in=[])) == []
        assert not acme(Car).objects.filter(owner__in=[]).exists()
    assert len(sent) == 0


def test_plain_alias_takes_the_carried_schema(acme: Place, globex: Place) -> None:
    """`using("default")` of a bound queryset stays in its schema; unbound it takes the active one of that database."""
    with globex.active():
        assert seen(acme(Owner).objects.using("default")) == [("Ada", "default.acme"), ("Bob", "default.acme")]
        assert seen(Owner.objects.using("default")) == [("Ada", "default.globex"), ("Bob", "default.globex")]
        assert seen(acme(Owner).objects.all().using("default").all()) == [
            ("Ada", "default.acme"),
            ("Bob", "default.acme"),
        ]
        with pytest.raises(NoActiveSchema):
            list(Owner.objects.using("shard2"))
    with pytest.raises(NoActiveSchema):
        list(Owner.objects.using("default"))


def test_using_after_an_object(acme: Place, globex: Place, nothing_sent: Watch) -> None:
    """Once an object was looked for, the queryset stays in its schema: the key means another object elsewhere."""
    querysets = [
        acme(Car).objects.filter(owner=acme.ada),
        acme(Car).objects.exclude(owner__in=[acme.ada]),
        acme.ada.car_set.all(),
        acme.beetle.tags.all(),
        acme.ada.notes.all(),
    ]
    other = globex.ada._state.db
    for queryset in querysets:
        with nothing_sent(), pytest.raises(SchemaMismatch):
            queryset.using(other)
    for manager in (acme.ada.car_set, acme.beetle.tags, acme.ada.notes):
        with nothing_sent(), pytest.raises(SchemaMismatch):
            list(manager.db_manager(other).all())
    assert seen(querysets[0].using(acme.ada._state.db)) == [("Beetle", "default.acme"), ("Unimog", "default.acme")]


def test_using_after_an_object_of_the_registry(acme: Place, globex: Place) -> None:
    """What all schemas refer to may be looked for in each of them."""
    plan = Plan.objects.get()
    for place in (acme, globex):
        place(Owner).objects.filter(name="Ada").update(plan=plan)
    other = globex.ada._state.db
    with acme.active():
        assert seen(Owner.objects.filter(plan=plan).using(other)) == [("Ada", "default.globex")]
        assert seen(plan.owner_set.all()) == [("Ada", "default.acme")]
        assert seen(plan.owner_set.using(other)) == [("Ada", "default.globex")]
    # What was bound before stays so.
    for owners in (acme(Owner).objects, Owner.objects.filter(car=acme.beetle)):
        with pytest.raises(SchemaMismatch):
            owners.filter(plan=plan).using(other)


def test_template_evaluates_a_queryset_in_its_schema(made: Any, elsewhere: None) -> None:
    """A queryset and its objects' relations that are rendered later show the rows of their schema."""
    context = Context({"cars": made(lambda: Car.objects.order_by("name"))})
    template = Template("{% for car in cars %}{{ car.owner.witness }} {{ car.tags.all.0.witness }};{% endfor %}")
    assert template.render(context) == "default.acme default.acme;" * 2 + "default.acme ;"


def test_paginator(made: Any, elsewhere: None) -> None:
    """A page counts and reads in the schema of its queryset."""
    paginator = Paginator(made(lambda: Car.objects.order_by("pk")), 2)
    assert (paginator.count, [car.witness for car in paginator.page(2)]) == (3, ["default.acme"])


class CarList(ListView):
    """A class-based view as projects write it: the queryset is made when the module is imported."""

    queryset = Car.objects.order_by("name")


def test_view_with_a_queryset_of_its_class(acme: Place, globex: Place) -> None:
    """It shows each caller their own rows, in turn, and none to who is nobody."""
    request = RequestFactory().get("/")
    for place in (acme, globex, acme):
        with place.active():
            response: Any = CarList.as_view(template_name="x.html")(request)
            assert {car.witness for car in response.context_data["object_list"]} == {place.witness}
    response = CarList.as_view(template_name="x.html")(request)
    with pytest.raises(NoActiveSchema):
        list(response.context_data["object_list"])


def test_generator_over_a_queryset(acme: Place, globex: Place) -> None:
    """Two server-side cursors that are read in turn, in other contexts than they were made in, read their own rows."""
    with transaction.atomic(), acme.active():
        mine = Car.objects.order_by("name").iterator(chunk_size=1)
    with transaction.atomic(), globex.active():
        theirs = Car.objects.order_by("name").iterator(chunk_size=1)
        pairs = [(one.name, one.witness, two.witness) for one, two in zip(mine, theirs, strict=True)]
    assert pairs == [(name, "default.acme", "default.globex") for name in ("Beetle", "Mini", "Unimog")]


QUERIES: dict[str, Callable[[Place], Any]] = {
    "joins": lambda p: list(
        p(Car).objects.filter(owner__name="Ada", tags__name="red")
        .values_list("witness", "owner__witness", "tags__witness")
    ),
    "reverse join": lambda p: list(p(Owner).objects.filter(car__tags__name="old").values_list("car__tags__witness")),
    "outer join": lambda p: list(p(Car).objects.order_by("pk").values_list("tags__witness", "truck__payload")),
    "exclude over many": lambda p: seen(p(Car).objects.exclude(tags__name="old")),
    "subquery": lambda p: list(
        p(Owner).objects.order_by("pk").annotate(
            w=Subquery(p(Car).objects.filter(owner=OuterRef("pk")).order_by("pk").values("witness")[:1])
        ).values_list("name", "w")
    ),
    "subquery of the model": lambda p: _inside(p, lambda: seen(
        Owner.objects.filter(Exists(Car.objects.filter(owner=OuterRef("pk"), tags__name="old")))
    )),
    "in": lambda p: seen(p(Car).objects.filter(owner__in=p(Owner).objects.filter(witness=p.witness, name="Ada"))),
    "union": lambda p: sorted(p(Owner).objects.values_list("name").union(p(Tag).objects.values_list("name"))),
    "intersection": lambda p: sorted(
        p(Owner).objects.values_list("witness").intersection(p(Tag).objects.values_list("witness"))
    ),
    "difference": lambda p: sorted(p(Owner).objects.values_list("name").difference(p(Tag).objects.values_list("name"))),
    "aggregate": lambda p: list(
        p(Owner).objects.order_by("pk").annotate(n=Count("car"), w=Max("car__witness")).values_list("name", "n", "w")
    ),
    "aggregate over distinct": lambda p: p(Car).objects.filter(witness=p.witness).distinct().count(),
    "sliced count": lambda p: p(Car).objects.filter(witness=p.witness)[:2].count(),
    "window": lambda p: list(
        p(Car).objects.annotate(row=Window(RowNumber(), order_by=F("pk").asc())).values_list("row", "witness")
    ),
    "filter on a window": lambda p: list(_second_row(p(Car)).values_list("witness")),
    "slice of a filter on a window": lambda p: list(_second_row(p(Car)).values_list("witness")[:1]),
    "slice of a filter on a window, active": lambda p: _inside(
        p, lambda: list(_second_row(Car).values_list("witness")[:1])
    ),
    "child": lambda p: list(p(Truck).objects.filter(owner__name="Ada").values_list("witness", "owner__witness")),
    "child by parent": lambda p: list(p(Car).objects.filter(truck__payload=4).values_list("witness")),
    "select_for_update": lambda p: seen(p(Car).objects.select_related("owner").select_for_update(of=("self",)).filter(
        owner__isnull=False)),
    "generic": lambda p: list(p(Owner).objects.filter(notes__text="polite").values_list("notes__witness")),
    "adopted": lambda p: list(p(Badge).objects.filter(user__username="ada").values_list("user__last_name")),
    "extra tables": lambda p: list(
        p(Car).objects.extra(
            select={"w": "garage_owner.witness"},
            tables=["garage_owner"],
            where=["garage_owner.id = garage_car.owner_id"],
        ).order_by("pk").values_list("witness", "w")
    ),
    "extra table of nobody's": lambda p: (
        p(Car).objects.extra(tables=["pg_am"], where=["pg_am.amname = 'btree'"]).filter(witness=p.witness).count()
    ),
    "update over a join": lambda p: (
        p(Car).objects.filter(owner__name="Ada").update(name=F("name")), p(Car).objects.update(owner=F("owner"))
    ),
    "update to a subquery": lambda p: (
        p(Car).objects.update(name=Subquery(p(Owner).objects.filter(pk=OuterRef("owner")).values("witness")[:1])),
        sorted(p(Car).objects.values_list("name")),
    ),
    "update of a child": lambda p: (
        p(Truck).objects.update(name="x", payload=9),
        seen(p(Truck).objects.all(), "payload"),
    ),
    "update of the parent alone": lambda p: (
        p(Truck).objects.update(name="y"),
        seen(p(Truck).objects.all(), "name"),
    ),
    "delete over a join": lambda p: p(Car).objects.filter(tags__name="old").delete(),
    "bulk_update": lambda p: (
        p(Car).objects.bulk_update([p.beetle], ["name"]),
        seen(p(Car).objects.filter(name="Beetle")),
    ),
    "upsert": lambda p: (
        p(Tag).objects.bulk_create(
            [Tag(pk=2, name="crimson", witness=p.witness)],
            update_conflicts=True, unique_fields=["pk"], update_fields=["name"],
        )[0].name,
        seen(p(Tag).objects.filter(pk=2)),
    ),
    "ignore conflicts": lambda p: (
        p(Tag).objects.bulk_create([Tag(pk=2, name="x", witness="x")], ignore_conflicts=True)[0].pk,
        seen(p(Tag).objects.filter(pk=2)),
    ),
    "insert of a subquery": lambda p: (
        p(Owner).objects.create(
            name=Subquery(p(Tag).objects.filter(name="old").values("name")[:1]), witness=p.witness
        ).schema_name == p.schema,
        seen(p(Owner).objects.filter(name="old")),
    ),
    "alias and order": lambda p: list(
        p(Owner).objects.alias(n=Count("car")).order_by("-n").values_list("name", "witness")
    ),
    "prefetch": lambda p: [
        (car.name, car.owner.witness, sorted(tag.witness for tag in car.tags.all()))
        for car in p(Car).objects.order_by("pk").select_related("owner").prefetch_related("tags", "owner__car_set")
    ],
    "prefetch with a queryset": lambda p: [
        [car.witness for car in owner.some]
        for owner in p(Owner).objects.order_by("pk").prefetch_related(
            Prefetch("car_set", p(Car).objects.filter(Q(name="Mini") | Q(name="Beetle")), to_attr="some")
        )
    ],
}  # fmt: skip


def _second_row(model: Any) -> Any:
    return model.objects.annotate(row=Window(RowNumber(), order_by=F("pk").asc())).filter(row=2)


def _inside(place: Place, function: Callable[[], Any]) -> Any:
    with place.active():
        return function()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_queries_within_one_schema(query: Any, acme: Place, globex: Place, initech: Place) -> None:
    """Whatever a statement is made of, it reads and writes its own schema: each answer is the neighbour's, renamed."""
    answers = {place: repr(query(place)) for place in (acme, globex, initech)}
    assert answers[acme] not in ("[]", "0", "None")
    assert {answer.replace(place.witness, "WITNESS") for place, answer in answers.items()} == {
        answers[acme].replace(acme.witness, "WITNESS")
    }
    for place, answer in answers.items():
        assert [other.witness for other in answers if other is not place and other.witness in answer] == []
        assert "public" not in answer


def test_subquery_that_was_made_nowhere(acme: Place, globex: Place) -> None:
    """A query that was made while nothing was active is asked where it is put into, whatever is active by then."""
    tagged = Car.objects.filter(tags__name="old")
    red = Tag.objects.filter(name="red")
    for active in (nullcontext(), globex.active()):
        with active:
            for place in (acme, globex):
                owners = place(Owner).objects
                assert seen(owners.filter(pk__in=tagged.values("owner"))) == [("Ada", place.witness)]
                assert seen(owners.filter(Exists(tagged.filter(owner=OuterRef("pk"))))) == [("Ada", place.witness)]
                named = owners.annotate(red=Subquery(red.values("witness")[:1])).values_list("red", flat=True)
                assert set(named) == {place.witness}


def test_combined_with_one_that_was_made_nowhere(acme: Place, globex: Place) -> None:
    """A query that was made while nothing was active goes where the one is bound that it is combined with."""
    minis, beetles = Car.objects.filter(name="Mini"), acme(Car).objects.filter(name="Beetle")
    for active in (nullcontext(), globex.active()):
        with active:
            for combined in (minis | beetles, beetles | minis, minis ^ beetles, beetles ^ minis):
                assert seen(combined) == [("Beetle", "default.acme"), ("Mini", "default.acme")]
            for combined in (minis & beetles, beetles & minis):
                assert combined.placement == beetles.placement
                assert seen(combined) == []


def test_one_connection_for_all_schemas(acme: Place, globex: Place) -> None:
    """Schemas of a database share its one connection, under its plain alias."""
    with acme.active():
        one = connections[Owner.objects.all().db.primary]
    with globex.active():
        two = connections[Owner.objects.all().db.primary]
    assert one is two is connections["default"]
    assert type(one.alias) is str


def test_slices_are_combined_where_they_are_from(acme: Place, globex: Place) -> None:
    """Django asks for a slice that is combined by a manager of its own, which asks in the slice's schema."""
    cars = acme(Car).objects.order_by("pk")
    for active in (nullcontext(), globex.active()):
        with active:
            found = [cars[:2] | cars.filter(name="Unimog"), cars[:2] ^ cars.filter(name="Beetle")]
            assert [{car.name for car in each} for each in found] == [{"Beetle", "Mini", "Unimog"}, {"Mini"}]
            assert {car.witness for each in found for car in each} == {"default.acme"}


def test_arguments_are_passed_on(acme: Place, globex: Place) -> None:
    """What Django refuses of a bound queryset's arguments is refused as ever, by position or by name."""

    async def fetch(cars: Any, *args: Any, **kwargs: Any) -> None:
        async for _ in cars.aiterator(*args, **kwargs):
            pass

    for place in (acme, globex):
        cars = place(Car).objects.all()
        with pytest.raises(ValueError, match='Must be "Owner" instance'):
            cars.filter(owner=place.red)
        with pytest.raises(ValueError, match="Batch size"):
            cars.bulk_create([Car(name="x", witness="x")], -1)
        with pytest.raises(ValueError, match="Chunk size"):
            async_to_sync(fetch)(cars, 0)
        with pytest.raises(ValueError, match="Chunk size"):
            async_to_sync(fetch)(cars, chunk_size=0)


def test_methods_are_marked_as_djangos(acme: Place) -> None:
    """Templates call none that alters data, and `delete` is no method of managers."""
    cars = acme(Car).objects
    for name in ("create", "bulk_create", "bulk_update", "update", "delete"):
        assert getattr(cars.all(), name).alters_data is True
    assert not hasattr(cars, "delete")


def test_nothing_is_written_nowhere() -> None:
    """An empty list needs no schema."""
    assert Car.objects.bulk_create([]) == []
    assert Car.objects.bulk_update([], ["name"]) == 0


def test_queryset_written_by_is_bound_to_nothing(acme: Place, globex: Place) -> None:
    """A queryset that was made while nothing was active may be written by here, and read there."""
    cars = Car.objects.filter(name="new")
    for place in (acme, globex):
        with place.active():
            cars.bulk_create([Car(name="new", witness=place.witness)])
            assert seen(cars.all()) == [("new", place.witness)]
    with pytest.raises(NoActiveSchema):
        cars.all().count()


def test_plain_alias_put_into_a_queryset(acme: Place) -> None:
    """Somebody else's code that puts a database's alias into a queryset means the queryset's schema, or is refused."""
    cars = acme(Car).objects.filter(name="Mini")
    cars._db = "default"
    assert seen(cars) == [("Mini", "default.acme")]
    cars = acme(Car).objects.all()
    cars._db = "shard2"
    with pytest.raises(NoActiveSchema):
        list(cars)


class Asked:
    """Another router of a project's, which notes what it is asked and leaves it to the next one."""

    hints: ClassVar[list[Any]] = []

    def db_for_read(self, model: Any, **hints: Any) -> None:
        self.hints.append(hints)


def test_router_before_ours(acme: Place, globex: Place, settings: Any) -> None:
    """It is asked each time, and told the placement; where it says nothing, that counts, whatever is active."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Asked", *settings.DATABASE_ROUTERS]
    Asked.hints.clear()
    with globex.active():
        assert seen(acme(Car).objects.filter(name="Mini")) == [("Mini", "default.acme")]
    assert {tuple(hints) for hints in Asked.hints} == {("placement",)}
    assert {hints["placement"].placement for hints in Asked.hints} == {acme.placement}


def test_router_before_ours_of_an_object(acme: Place, settings: Any) -> None:
    """Where an object says where, another router is told what plain Django tells it, and nothing more."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Asked", *settings.DATABASE_ROUTERS]
    owner = acme(Car).objects.get(name="Mini").owner
    Asked.hints.clear()
    assert seen(owner.car_set.filter(name="Mini")) == [("Mini", "default.acme")]
    assert Asked.hints
    assert all(hints == {"instance": owner} for hints in Asked.hints)


def test_router_before_ours_of_a_queryset_made_nowhere(acme: Place, settings: Any) -> None:
    """Where a queryset carries no placement, another router is told of none."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Asked", *settings.DATABASE_ROUTERS]
    cars = Car.objects.filter(name="Mini")
    Asked.hints.clear()
    with acme.active():
        assert seen(cars) == [("Mini", "default.acme")]
    assert Asked.hints
    assert all(hints == {} for hints in Asked.hints)


class WritesElsewhere:
    """Another router of a project's, which has one database read and another written."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "shard2"


def test_router_that_writes_elsewhere(acme: Place, initech: Place, settings: Any) -> None:
    """What is written is compared with the schema that is written to, and what is read with the one that is read."""
    settings.DATABASE_ROUTERS = [WritesElsewhere(), *settings.DATABASE_ROUTERS]
    here = acme(Car).objects.first()
    active = []

    def note(**kwargs: Any) -> None:
        active.append(active_placement())

    with initech.active(), acme.active():
        post_init.connect(note, Owner)
        owner = Owner.objects.create(name="Eve", witness="shard2.initech")
        post_init.disconnect(note, Owner)
        car = Car(name="Fiat", owner=owner, witness="shard2.initech")
        Car.objects.bulk_create([car])
        car.name = "Panda"
        Car.objects.bulk_update([car], ["name"])
        assert Car.objects.contains(here)
        for refused in (
            lambda: Car.objects.contains(car),
            lambda: Car.objects.bulk_update([here], ["name"]),
        ):
            with pytest.raises(SchemaMismatch):
                refused()
    assert active == [initech.placement]
    assert seen(initech(Car).objects.using("shard2").filter(owner__name="Eve")) == [("Panda", "shard2.initech")]


def test_router_that_names_the_database_for_an_object_of_elsewhere(acme: Place, globex: Place, settings: Any) -> None:
    """A queryset of one schema that is told of an object of another is refused, and not asked there."""
    settings.DATABASE_ROUTERS = [WritesElsewhere(), *settings.DATABASE_ROUTERS]
    cars = acme(Car).objects.filter(name="Mini")
    cars._add_hints(instance=globex(Owner).objects.first())  # As Django's managers of relations do.
    with pytest.raises(SchemaMismatch):
        list(cars)


def test_raw_with_all_that_it_takes(acme: Place, globex: Place) -> None:
    """Names that are translated, parameters, and what is to be prefetched."""
    with globex.active():
        (car,) = (
            acme(Car)
            .objects.prefetch_related("tags")
            .raw(
                "SELECT id, name AS title, witness, owner_id FROM garage_car WHERE name = %s",
                ["Mini"],
                {"title": "name"},
            )
        )
        assert (car.get_deferred_fields(), car.name) == (set(), "Mini")
        assert seen(car._prefetched_objects_cache["tags"]) == [("red", "default.acme")]


class Labels:
    """A relation such as packages make: none of Django's."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self

    def is_cached(self, instance: Any) -> bool:
        return False

    def get_prefetch_querysets(self, instances: Any, querysets: Any = None) -> Any:
        return Tag.objects.filter(name="red"), lambda tag: 1, lambda car: 1, True, "label", True


def test_prefetched_by_somebody_elses_relation(acme: Place, elsewhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asks without saying where is asked where the queryset belongs."""
    monkeypatch.setattr(Car, "labels", Labels(), raising=False)
    for cars in (acme(Car).objects.all(), acme(Car).objects.using("default")):
        fetched = cars.prefetch_related("labels").order_by("pk")
        assert {car.label.witness for car in fetched} == {"default.acme"}

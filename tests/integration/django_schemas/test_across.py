"""`Model.across`: what many schemas answer is what each answers by itself, put together."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import FieldError
from django.db import connections
from django.db.models import Avg, Count, Exists, F, Max, Min, OuterRef, Prefetch, Q, StdDev, Sum, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from django_schemas import Placement, across, schema_context
from django_schemas.exceptions import ConfigError, SchemaMismatch
from django_schemas.spanning import Across
from tests.apps.garage.factories import CarFactory, NoteFactory, OwnerFactory, TagFactory, TruckFactory
from tests.apps.garage.models import Badge, Car, Note, Owner, Tag, Truck
from tests.apps.garage.witness import Place, make_place
from tests.audit.capture import raw_sql

pytestmark = pytest.mark.usefixtures("reading_across")


@pytest.fixture
def reading_across() -> Iterator[None]:
    with raw_sql("asks several schemas, as it is told to", needed=False):
        yield


@pytest.fixture
def places(acme: Place, globex: Place, initech: Place) -> list[Place]:
    """Three schemas in two databases: rows beyond those that all have differ in number and in what they say."""
    for number, place in enumerate((acme, globex, initech)):
        with place.active():
            for extra in range(number):
                owner = OwnerFactory(name=f"Ömer {extra}" if number == 1 else f"eve {extra}")
                car = CarFactory(name=f"Kart {number}", owner=owner if extra else None)
                car.tags.add(TagFactory(name=f"tag {extra}"))
                NoteFactory(target=car, text=f"n{extra}")
                TruckFactory(name="Unimog", payload=10 * number + extra, owner=owner)
    return [acme, globex, initech]


def in_turn(places: list[Place], ask: Callable[[Any], Any], model: Any = Car) -> list[Any]:
    """What the places answer one after the other."""
    return [row for place in places for row in ask(place(model).objects)]


def witnesses(rows: Any) -> list[tuple[str, Any]]:
    return [(row.witness, row.pk) for row in rows]


ASKED: dict[str, Callable[[Any], Any]] = {
    "all": lambda cars: cars.all(),
    "filter": lambda cars: cars.filter(name__startswith="K"),
    "exclude by rows of others": lambda cars: cars.exclude(tags__name="red"),
    "over relations": lambda cars: cars.filter(owner__name="Ada", tags__name="red"),
    "Q": lambda cars: cars.filter(Q(owner=None) | ~Q(name="Beetle")),
    "subquery": lambda cars: cars.filter(Exists(Note.objects.filter(object_id=OuterRef("pk"), text="n0"))),
    "in": lambda cars: cars.filter(owner__in=Owner.objects.filter(name__startswith="eve")),
    "generic relation": lambda cars: cars.filter(notes__text="n0"),
    "single schema": lambda cars: cars.filter(owner__plan=None),
    "annotated": lambda cars: cars.annotate(number=Count("tags")).filter(number__gt=0),
    "only": lambda cars: cars.only("witness"),
    "defer": lambda cars: cars.defer("name"),
    "select_related": lambda cars: cars.select_related("owner"),
    "distinct": lambda cars: cars.filter(tags__name__contains="a").distinct(),
    "own method": lambda cars: cars.all().tagged("red"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_is_the_union(places: list[Place], ask: Callable[[Any], Any]) -> None:
    """Whatever is asked, each row is there that the schemas answer by themselves, and no other."""
    found = list(ask(Car.across(places)))
    expected = in_turn(places, ask)
    assert sorted(witnesses(found)) == sorted(witnesses(expected))
    assert expected
    for car in found:
        assert (str(car._state.db.placement), car.placement) == (car.witness, car.witness)


def test_objects_belong_to_their_schema(places: list[Place]) -> None:
    """An object leads to its own schema: what is fetched along, what is fetched later, and what is saved."""
    for car in Car.across(places).select_related("owner").filter(owner__name="Ada"):
        assert car.owner.witness == car.witness
        assert str(car.owner._state.db.placement) == car.witness
        assert {tag.witness for tag in car.tags.all()} <= {car.witness}
        car.name = f"of {car.witness}"
        car.save()
    for place in places:
        assert place(Car).objects.filter(name=f"of {place.witness}").exists()
        assert not place(Car).objects.filter(name__startswith="of ").exclude(name=f"of {place.witness}").exists()


def test_one_statement_for_each_database(places: list[Place]) -> None:
    """Two schemas of a database are asked at once; what was found is remembered."""
    cars = Car.across(places).filter(name="Beetle")
    with CaptureQueriesContext(connections["default"]) as here, CaptureQueriesContext(connections["shard2"]) as there:
        assert len(cars) == len(list(cars)) == cars.count() == 3
        assert bool(cars)
    assert (len(here), len(there)) == (1, 1)


ORDERED: dict[str, tuple[Callable[[Any], Any], Callable[[Car], Any]]] = {
    "text": (lambda cars: cars.order_by("name", "pk", "witness"), lambda car: (car.name, car.pk, car.witness)),
    "down": (
        lambda cars: cars.order_by("-pk", F("witness").desc()),
        lambda car: tuple(map(_Down, (car.pk, car.witness))),
    ),
    "relation": (
        lambda cars: cars.exclude(owner=None).order_by("owner__name", "witness", "pk"),
        lambda car: (car.owner.name, car.witness, car.pk),
    ),
    "expression": (
        lambda cars: cars.order_by(Concat("name", Value("!"), "witness"), "pk"),
        lambda car: (car.name + "!" + car.witness, car.pk),
    ),
    "place": (lambda cars: cars.order_by("placement", "pk"), lambda car: (car.witness, car.pk)),
    "reversed": (lambda cars: cars.order_by("pk", "-witness").reverse(), lambda car: (_Down(car.pk), car.witness)),
    "nulls last": (
        lambda cars: cars.order_by("owner", "pk", "witness"),
        lambda car: (car.owner_id is None, car.owner_id or 0, car.pk, car.witness),
    ),
    "nulls first": (
        lambda cars: cars.order_by(F("owner_id").asc(nulls_first=True), "pk", "witness"),
        lambda car: (car.owner_id is not None, car.owner_id or 0, car.pk, car.witness),
    ),
    "nulls first, down": (
        lambda cars: cars.order_by("-owner_id", "pk", "witness"),
        lambda car: (car.owner_id is not None, _Down(car.owner_id or 0), car.pk, car.witness),
    ),
    "nulls last, down": (
        lambda cars: cars.order_by(F("owner_id").desc(nulls_last=True), "pk", "witness"),
        lambda car: (car.owner_id is None, _Down(car.owner_id or 0), car.pk, car.witness),
    ),
}


class _Down:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "_Down") -> bool:
        return bool(self.value > other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)


@pytest.mark.parametrize(("ask", "key"), ORDERED.values(), ids=ORDERED)
@pytest.mark.parametrize("few", [None, 1], ids=["one statement", "one for each schema"])
def test_order(
    places: list[Place],
    ask: Callable[[Any], Any],
    key: Callable[[Car], Any],
    few: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of all schemas are in one order, and a slice of them is the slice of that order."""
    if few is not None:
        monkeypatch.setattr("django_schemas.unions._SCHEMAS", few)
    expected = in_turn(places, lambda cars: ask(cars.annotate(placement=F("witness"))))
    expected.sort(key=key)
    cars = ask(Car.across(places))
    assert witnesses(cars) == witnesses(expected)
    assert witnesses(ask(Car.across(places))[2:7]) == witnesses(expected[2:7])
    assert witnesses(ask(Car.across(places))[1:][:4][2:]) == witnesses(expected[3:5])
    assert witnesses(ask(Car.across(places)).iterator(chunk_size=2)) == witnesses(expected)
    assert witnesses([cars.first(), cars.last(), ask(Car.across(places))[4]]) == witnesses(
        [expected[0], expected[-1], expected[4]]
    )


def test_values(places: list[Place]) -> None:
    """Rows may be dicts, tuples and values, and say whose they are."""
    cars = Car.across(places).filter(name="Beetle").order_by("placement")
    names = [place.witness for place in places]
    assert list(cars.values("placement", "name")) == [{"placement": name, "name": "Beetle"} for name in names]
    assert list(cars.values_list("name", "placement")) == [("Beetle", name) for name in names]
    assert list(cars.values_list("witness", flat=True)) == names
    assert [row.placement for row in cars.values_list("placement", named=True)] == names
    assert list(cars.filter(placement=names[1]).values_list("witness", flat=True)) == names[1:2]
    assert list(cars.exclude(placement__in=names[1:]).values_list("witness", flat=True)) == names[:1]


def test_distinct_values(places: list[Place]) -> None:
    """Values that several schemas have are there once, in their order; with their schema's name they differ."""
    names = sorted(set(in_turn(places, lambda cars: cars.values_list("name", flat=True))))
    found = Car.across(places).values_list("name", flat=True).distinct().order_by("name")
    assert (list(found), found.count(), list(found[1:3])) == (names, len(names), names[1:3])
    assert list(found.values("name")) == [{"name": name} for name in names]
    told = Car.across(places).values_list("placement", "name").distinct()
    assert sorted(told) == sorted({(car.witness, car.name) for car in in_turn(places, lambda cars: cars.all())})


def test_groups(places: list[Place]) -> None:
    """Rows are grouped within each schema; a group over several is refused, since its count would be of one."""
    cars = Car.across(places)
    found = cars.values_list("placement", "name").annotate(number=Count("pk")).filter(number__gt=1)
    expected = in_turn(
        places, lambda cars: cars.values_list("witness", "name").annotate(number=Count("pk")).filter(number__gt=1)
    )
    assert sorted(found) == sorted(expected)
    assert list(found.order_by("-number", "placement")) == sorted(expected, key=lambda row: (-row[2], row[0]))
    with pytest.raises(FieldError, match=r"values\('placement', \.\.\.\)"):
        list(cars.values("name").annotate(number=Count("pk")))


AGGREGATES = {
    "count": Count("pk"),
    "some": Count("pk", filter=Q(payload__gt=10)),
    "sum": Sum("payload"),
    "least": Min("payload"),
    "most": Max("payload"),
    "average": Avg("payload"),
    "some average": Avg("payload", filter=Q(payload__lt=15)),
    "nothing": Sum("payload", filter=Q(payload=-1)),
    "nothing else": Sum("payload", filter=Q(payload=-1), default=7),
    "no average": Avg("payload", filter=Q(payload=-1), default=3),
    "over a relation": Max("owner__pk"),
}


def test_aggregate(places: list[Place]) -> None:
    """Aggregates are those of all rows together, in one statement for each database."""
    payloads = in_turn(places, lambda trucks: trucks.values_list("payload", flat=True), Truck)
    few = [payload for payload in payloads if payload < 15]
    with CaptureQueriesContext(connections["default"]) as here:
        found = Truck.across(places).aggregate(**AGGREGATES)
    assert len(here) == 1
    assert found == {
        "count": len(payloads),
        "some": sum(payload > 10 for payload in payloads),
        "sum": sum(payloads),
        "least": min(payloads),
        "most": max(payloads),
        "average": pytest.approx(sum(payloads) / len(payloads)),
        "some average": pytest.approx(sum(few) / len(few)),
        "nothing": None,
        "nothing else": 7,
        "no average": 3,
        "over a relation": max(in_turn(places, lambda trucks: trucks.values_list("owner__pk", flat=True), Truck)),
    }
    assert Truck.across(places).aggregate(Sum("payload")) == {"payload__sum": sum(payloads)}
    assert Truck.across(places).distinct().aggregate(Sum("payload")) == {"payload__sum": sum(payloads)}


def test_aggregate_of_aggregates(places: list[Place]) -> None:
    """What has to be made first, as the number of each car's tags, is asked of each schema by itself."""
    numbers = in_turn(places, lambda cars: cars.annotate(number=Count("tags")).values_list("number", flat=True))
    found = Car.across(places).annotate(number=Count("tags")).aggregate(Sum("number"), Max("number"))
    assert found == {"number__sum": sum(numbers), "number__max": max(numbers)}


@pytest.mark.parametrize(
    ("aggregate", "message"),
    [
        (StdDev("payload"), "StdDev can't be made up"),
        (Count("payload", distinct=True), "Count of distinct values"),
        (Max("name"), "Max of text"),
    ],
    ids=["other kind", "distinct", "text"],
)
def test_aggregates_that_are_refused(places: list[Place], aggregate: Any, message: str) -> None:
    """What the schemas say can't be put together: that is said, and nothing is made up."""
    list(Truck.across(places))
    with pytest.raises(TypeError, match=message):
        Truck.across(places).aggregate(it=aggregate)


def test_counts(places: list[Place]) -> None:
    """Rows are counted as they would be read: sliced, distinct, grouped, or not at all."""
    number = len(in_turn(places, lambda cars: cars.all()))
    cars = Car.across(places)
    assert (cars.count(), cars[2:].count(), cars[:3].count(), cars[number:].count()) == (number, number - 2, 3, 0)
    assert cars.annotate(tags_of=Count("tags")).count() == number
    assert (cars.exists(), cars.filter(name="None").exists(), cars[number:].exists()) == (True, False, False)
    assert (cars.filter(name="None").first(), cars.filter(name="None").last()) == (None, None)
    assert cars.first().pk == min(car.pk for car in cars)


def test_get(places: list[Place]) -> None:
    """One row of all schemas, or an error."""
    assert Car.across(places).get(name="Beetle", placement="shard2.initech").witness == "shard2.initech"
    with pytest.raises(Car.DoesNotExist, match="3 schemas"):
        Car.across(places).get(name="None")
    with pytest.raises(Car.MultipleObjectsReturned):
        Car.across(places).get(name="Beetle")


def test_prefetch_related(places: list[Place]) -> None:
    """Related objects are fetched by schema: three statements for three schemas, and each has its own."""
    with CaptureQueriesContext(connections["default"]) as here:
        cars = list(
            Car.across(places)
            .order_by("name")
            .prefetch_related("tags", Prefetch("notes", queryset=Note.objects.order_by("text"), to_attr="told"))
        )
        for car in cars:
            assert {tag.witness for tag in car.tags.all()} <= {car.witness}
            assert {note.witness for note in car.told} <= {car.witness}
    assert any(car.told for car in cars)
    # One for the cars, and in both schemas one for the tags, one for the notes and, once, one for a content type.
    assert len([each for each in here.captured_queries if "content_type" not in each["sql"].split("FROM")[1]]) <= 5
    streamed = Car.across(places).order_by("name", "pk", "placement").prefetch_related("tags").iterator(chunk_size=2)
    assert sum(len(car.tags.all()) for car in streamed) == sum(len(car.tags.all()) for car in cars)


def test_adopted_models(places: list[Place]) -> None:
    """Models of other packages, by the function."""
    users = across(User, places)
    assert {str(user._state.db.placement) for user in users} == {place.witness for place in places}
    assert [badge.witness for badge in Badge.across(places)] == [place.witness for place in places]
    with pytest.raises(ConfigError, match="default-read1"):
        across(User, [places[0], Placement("default-read1", "globex")])


def test_async(places: list[Place]) -> None:
    """The asynchronous calls give the same."""
    cars = Car.across(places)
    number = cars.count()

    async def ask() -> None:
        assert sorted([(car.witness, car.pk) async for car in cars]) == sorted(witnesses(cars))
        assert (await cars.acount(), await cars.aexists()) == (number, True)
        assert await cars.aaggregate(number=Count("pk")) == {"number": number}
        assert await cars.afirst() in list(cars)
        assert (await cars.aget(name="Beetle", placement="default.acme")).witness == "default.acme"

    async_to_sync(ask)()


def test_made_in_a_schema(places: list[Place], acme: Place) -> None:
    """What is active as it is asked changes nothing; a value that is of one schema is refused by the others."""
    expected = sorted(witnesses(Car.across(places)))
    with schema_context("default", "globex"):
        assert sorted(witnesses(Car.across(places))) == expected
        with pytest.raises(SchemaMismatch):
            list(Car.across(places).filter(owner__in=Owner.objects.all()))
    with pytest.raises(SchemaMismatch):
        list(Car.across(places).filter(owner=acme.ada))


def test_reads_only(places: list[Place]) -> None:
    """There is nothing in it that writes, and no step after a slice."""
    cars = Car.across(places)
    for name in ("create", "update", "delete", "bulk_create", "get_or_create", "using", "union", "select_for_update"):
        with pytest.raises(AttributeError, match="reads only"):
            getattr(cars, name)
    with pytest.raises(TypeError, match="before the slice"):
        cars[:3].filter(name="Beetle")
    with pytest.raises(TypeError, match="before the slice"):
        cars[:3].aggregate(Count("pk"))
    with pytest.raises(ValueError, match="counted from the first"):
        cars[-1]
    with pytest.raises(ValueError, match="counted from the first"):
        cars[::2]
    with pytest.raises(FieldError, match="given fields"):
        list(cars.order_by("name").distinct("name"))
    with pytest.raises(FieldError, match="nonsense"):
        cars.filter(nonsense=1)
    assert isinstance(list(cars), list)


def test_no_schemas_and_one_twice(acme: Place, globex: Place) -> None:
    """Over nothing there is nothing; a schema that is named twice is asked once."""
    nothing: Across[Car] = Car.across([])
    assert (list(nothing), nothing.count(), nothing.exists(), nothing.first()) == ([], 0, False, None)
    assert nothing.aggregate(number=Count("pk"), sum=Sum("pk")) == {"number": 0, "sum": None}
    twice = sorted(witnesses(Car.across([acme, globex, acme.placement, globex])))
    assert twice == sorted(witnesses(in_turn([acme, globex], lambda cars: cars.all())))
    assert (list(Tag.across([acme, globex]).none()), Tag.across([acme, globex]).none().count()) == ([], 0)


@pytest.mark.slow
def test_thirty_schemas(places: list[Place]) -> None:
    """Over thirty schemas in two databases everything is the union of what they answer, in one statement for each."""
    random = Random(30)
    for number in range(27):
        place = Place(random.choice(("default", "shard2")), f"many_{number}")
        make_place(place.db, place.schema)
        with place.active():
            for _ in range(random.randrange(6)):
                owner = random.choice([None, OwnerFactory(name=random.choice("äÄaAzZ_-"))])
                car = CarFactory(name=random.choice(("Kart", "Ente", "Beetle", "")), owner=owner)
                car.tags.set([TagFactory(name=name) for name in random.sample(("red", "old", "tag"), 2)])
                TruckFactory(payload=random.randrange(40), owner=owner)
        places.append(place)
    for ask in ASKED.values():
        with (
            CaptureQueriesContext(connections["default"]) as here,
            CaptureQueriesContext(connections["shard2"]) as there,
        ):
            found = sorted(witnesses(ask(Car.across(places))))
        # Which content type means a car is another question, to each schema, and remembered.
        assert [sum('"garage_car"' in sent["sql"] for sent in each.captured_queries) for each in (here, there)] == [
            1,
            1,
        ]
        assert found == sorted(witnesses(in_turn(places, ask)))
    for ask, key in ORDERED.values():
        expected = sorted(in_turn(places, lambda cars, ask=ask: ask(cars.annotate(placement=F("witness")))), key=key)
        assert witnesses(ask(Car.across(places))) == witnesses(expected)
        assert witnesses(ask(Car.across(places))[7:31]) == witnesses(expected[7:31])
    payloads = in_turn(places, lambda trucks: trucks.values_list("payload", flat=True), Truck)
    assert Truck.across(places).aggregate(n=Count("pk"), sum=Sum("payload"), mean=Avg("payload")) == {
        "n": len(payloads),
        "sum": sum(payloads),
        "mean": pytest.approx(sum(payloads) / len(payloads)),
    }

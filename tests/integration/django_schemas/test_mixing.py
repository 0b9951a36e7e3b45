"""Mixing two schemas of one environment is refused, in every way there is to do it, before any SQL is sent."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    When,
    prefetch_related_objects,
)

from django_schemas import bind
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, Note, Owner, Tag
from tests.apps.garage.witness import Place, seen

Watch = Callable[[], AbstractContextManager[Any]]
Mix = Callable[[Place, Place], Any]

ROWS = ("ada", "bob", "beetle", "unimog", "red", "badge", "user", "note")


@pytest.fixture(params=["globex", "initech"])
def other(request: pytest.FixtureRequest) -> Place:
    """A schema beside acme, and one in another database."""
    place: Place = request.getfixturevalue(request.param)
    return place


@pytest.fixture(autouse=True)
def _loaded(acme: Place, other: Place) -> None:
    """All rows are loaded and all content types known, so that a mix that is refused sends nothing."""
    for place in (acme, other):
        with place.active():
            ContentType.objects.get_for_models(Owner, Car, Note)
        vars(place).update({row: deepcopy(committed_row(place.db, place.schema, row)) for row in ROWS})


@cache
def committed_row(db: str, schema: str, row: str) -> Any:
    """A witness row, loaded once for all tests of this module."""
    return getattr(Place(db, schema), row)


def cars(place: Place) -> Any:
    return place(Car).objects


def owners(place: Place) -> Any:
    return place(Owner).objects


def alias(place: Place) -> Any:
    return place.ada._state.db


ASSIGNMENTS: dict[str, Mix] = {
    "foreign key": lambda a, b: setattr(a.beetle, "owner", b.ada),
    "one to one": lambda a, b: setattr(a.badge, "user", b.user),
    "reverse one to one": lambda a, b: setattr(a.user, "badge", b.badge),
    "generic foreign key": lambda a, b: setattr(a.note, "target", b.ada),
    "foreign key of a generic one": lambda a, b: setattr(
        a.note, "content_type", bind(ContentType, b.db, b.schema).objects.get_for_model(Owner)
    ),
    "bound model": lambda a, b: a(Car)(name="new", owner=b.ada),
    "model, two relations": lambda a, b: Car.tags.through(car=a.beetle, tag=b.red),
    "bound model, generic": lambda a, b: a(Note)(text="new", target=b.ada),
}

WRITES: dict[str, Mix] = {
    "create": lambda a, b: cars(a).create(name="new", owner=b.ada),
    "create one to one": lambda a, b: a(Badge).objects.create(number=1, user=b.user),
    "create generic": lambda a, b: a(Note).objects.create(text="new", target=b.ada),
    "create through": lambda a, b: a(Car.tags.through).objects.create(car=a.beetle, tag=b.red),
    "get_or_create": lambda a, b: cars(a).get_or_create(name="new", owner=b.ada),
    "update_or_create": lambda a, b: cars(a).update_or_create(name="new", owner=b.ada),
    "update": lambda a, b: cars(a).update(owner=b.ada),
    "update of a filtered": lambda a, b: cars(a).filter(name="Beetle").update(owner=b.ada),
    "bulk_create": lambda a, b: cars(a).bulk_create([Car(name="new", owner=b.ada)]),
    "bulk_create of bound instances": lambda a, b: cars(a).bulk_create([b(Car)(name="new")]),
    "bulk_create of loaded": lambda a, b: cars(a).bulk_create([Car(name="new"), b.beetle]),
    "bulk_create of a generator": lambda a, b: cars(a).bulk_create(b(Car)(name="new") for _ in range(2)),
    "bulk_update": lambda a, b: cars(a).bulk_update([a.beetle, b.beetle], ["name"]),
    "save using": lambda a, b: a.ada.save(using=alias(b)),
    "save using, child": lambda a, b: a.unimog.save(using=alias(b)),
    "save using, adopted": lambda a, b: a.user.save(using=alias(b)),
    "delete using": lambda a, b: a.ada.delete(using=alias(b)),
    "delete using, nothing related": lambda a, b: a.badge.delete(using=alias(b)),
    "delete using, by position": lambda a, b: a.note.delete(alias(b)),
    "delete using, adopted": lambda a, b: a.user.delete(using=alias(b)),
    "refresh using": lambda a, b: a.ada.refresh_from_db(using=alias(b)),
    "refresh some fields using": lambda a, b: a.ada.refresh_from_db(fields=["name"], using=alias(b)),
    "refresh from": lambda a, b: a.ada.refresh_from_db(from_queryset=owners(b).all()),
}

RELATED_MANAGERS: dict[str, Mix] = {
    "m2m add": lambda a, b: a.beetle.tags.add(b.red),
    "m2m add among own": lambda a, b: a.beetle.tags.add(a.red, b.red),
    "m2m add queryset": lambda a, b: a.beetle.tags.add(*b(Tag).objects.none(), b.red),
    "m2m remove": lambda a, b: a.beetle.tags.remove(b.red),
    "m2m set": lambda a, b: a.beetle.tags.set([b.red]),
    "m2m set of a set": lambda a, b: a.beetle.tags.set({b.red}),
    "m2m set of a generator": lambda a, b: a.beetle.tags.set(iter([b.red])),
    "m2m set of a dict's keys": lambda a, b: a.beetle.tags.set({b.red: 1}.keys()),
    "m2m set, clear": lambda a, b: a.beetle.tags.set([b.red], clear=True),
    "m2m add, reverse": lambda a, b: a.red.car_set.add(b.beetle),
    "m2m set, reverse": lambda a, b: a.red.car_set.set([b.beetle]),
    "m2m of an adopted app": lambda a, b: a.user.groups.add(instance_in(b, Group)),
    "m2m of an adopted app, remove": lambda a, b: a.user.groups.remove(instance_in(b, Group)),
    "m2m of an adopted app, set": lambda a, b: a.user.user_permissions.set([instance_in(b, Permission)]),
    "reverse foreign key, add": lambda a, b: a.ada.car_set.add(b.beetle),
    "reverse foreign key, add of an unsaved": lambda a, b: a.ada.car_set.add(b(Car)(name="new"), bulk=False),
    "reverse foreign key, set": lambda a, b: a.ada.car_set.set([b.beetle]),
    "reverse foreign key, remove": lambda a, b: a.ada.car_set.remove(b.beetle),
    "generic relation, add": lambda a, b: a.ada.notes.add(b.note),
    "generic relation, add of an unsaved": lambda a, b: a.ada.notes.add(b(Note)(text="new"), bulk=False),
    "generic relation, set": lambda a, b: a.ada.notes.set([b.note]),
    "generic relation, remove": lambda a, b: a.ada.notes.remove(b.note),
}

LOOK_UPS: dict[str, Mix] = {
    "filter": lambda a, b: list(cars(a).filter(owner=b.ada)),
    "filter exact": lambda a, b: list(cars(a).filter(owner__exact=b.ada)),
    "filter by the column": lambda a, b: list(cars(a).filter(owner_id=b.ada)),
    "exclude": lambda a, b: list(cars(a).exclude(owner=b.ada)),
    "get": lambda a, b: cars(a).get(owner=b.ada),
    "filter in list": lambda a, b: list(cars(a).filter(owner__in=[a.bob, b.ada])),
    "filter in set": lambda a, b: list(cars(a).filter(owner__in={b.ada})),
    "exclude in list": lambda a, b: list(cars(a).exclude(owner__in=[b.ada])),
    "filter q": lambda a, b: list(cars(a).filter(Q(name="Mini") | Q(owner=b.ada))),
    "filter not q": lambda a, b: list(cars(a).filter(~Q(owner=b.ada))),
    "filter m2m": lambda a, b: list(cars(a).filter(tags=b.red)),
    "exclude m2m": lambda a, b: list(cars(a).exclude(tags=b.red)),
    "filter m2m in": lambda a, b: list(cars(a).filter(tags__in=[b.red])),
    "filter reverse": lambda a, b: list(owners(a).filter(car=b.beetle)),
    "exclude reverse": lambda a, b: list(owners(a).exclude(car=b.beetle)),
    "filter one to one": lambda a, b: list(a(Badge).objects.filter(user=b.user)),
    "filter reverse one to one": lambda a, b: list(bind(User, a.db, a.schema).objects.filter(badge=b.badge)),
    "filter generic": lambda a, b: list(owners(a).filter(notes=b.note)),
    "filter over two": lambda a, b: list(a(Tag).objects.filter(car__owner=b.ada)),
    "filter child": lambda a, b: list(a(Tag).objects.filter(car__truck=b.unimog)),
    "contains": lambda a, b: cars(a).contains(b.beetle),
    "count": lambda a, b: cars(a).filter(owner=b.ada).count(),
    "exists": lambda a, b: cars(a).filter(owner=b.ada).exists(),
    "filtered delete": lambda a, b: cars(a).filter(owner=b.ada).delete(),
    "filtered update": lambda a, b: cars(a).filter(owner=b.ada).update(name="new"),
    "case when": lambda a, b: list(cars(a).annotate(n=Case(When(owner=b.ada, then=1), output_field=IntegerField()))),
    "aggregate": lambda a, b: cars(a).aggregate(n=Count("pk", filter=Q(owner=b.ada))),
    "filtered relation": lambda a, b: list(
        owners(a).annotate(c=FilteredRelation("car", condition=Q(car__owner=b.ada))).filter(c__name="Beetle")
    ),
    "related manager": lambda a, b: list(a.ada.car_set.filter(owner=b.ada)),
    "filter in, of values": lambda a, b: list(cars(a).filter(notes__in=[b.note]).values_list("name")),
}

SUBQUERIES: dict[str, Mix] = {
    "in queryset": lambda a, b: list(cars(a).filter(owner__in=owners(b).all())),
    "in a filtered queryset": lambda a, b: list(cars(a).filter(owner__in=owners(b).filter(name="Ada"))),
    "not in queryset": lambda a, b: list(cars(a).exclude(owner__in=owners(b).all())),
    "in values": lambda a, b: list(cars(a).filter(pk__in=cars(b).values("pk"))),
    "equal to a queryset of one": lambda a, b: list(cars(a).filter(owner=owners(b).all()[:1])),
    "in queryset, m2m": lambda a, b: list(cars(a).filter(tags__in=b(Tag).objects.all())),
    "in related manager": lambda a, b: list(owners(a).filter(car__in=b.ada.car_set.all())),
    "exists": lambda a, b: list(owners(a).filter(Exists(cars(b).filter(owner=OuterRef("pk"))))),
    "annotated exists": lambda a, b: list(owners(a).annotate(x=Exists(cars(b).filter(owner=OuterRef("pk"))))),
    "annotated subquery": lambda a, b: list(owners(a).annotate(x=Subquery(cars(b).values("name")[:1]))),
    "ordered by a subquery": lambda a, b: list(owners(a).order_by(Subquery(cars(b).values("name")[:1]))),
    "nested": lambda a, b: list(cars(a).filter(owner__in=owners(a).filter(pk__in=Subquery(owners(b).values("pk"))))),
    "update to a subquery": lambda a, b: owners(a).update(name=Subquery(owners(b).values("name")[:1])),
    "create with a subquery": lambda a, b: owners(a).create(name=Subquery(owners(b).values("name")[:1])),
    "delete by a subquery": lambda a, b: cars(a).filter(owner__in=owners(b).all()).delete(),
    "count": lambda a, b: cars(a).filter(owner__in=owners(b).all()).count(),
    "aggregate": lambda a, b: cars(a).filter(owner__in=owners(b).all()).aggregate(n=Count("pk")),
    "aggregate over a subquery": lambda a, b: cars(a).aggregate(n=Count(Subquery(owners(b).values("pk")[:1]))),
    "explain": lambda a, b: cars(a).filter(owner__in=owners(b).all()).explain(),
    "union": lambda a, b: list(owners(a).union(owners(b).all())),
    "union of three": lambda a, b: list(owners(a).union(owners(a).filter(pk=1), owners(b).all())),
    "union all": lambda a, b: list(owners(a).values("name").union(cars(b).values("name"), all=True)),
    "count of a union": lambda a, b: owners(a).union(owners(b).all()).count(),
    "intersection": lambda a, b: list(owners(a).intersection(owners(b).all())),
    "difference": lambda a, b: list(owners(a).difference(owners(b).all())),
    "or": lambda a, b: owners(a).all() | owners(b).all(),
    "and": lambda a, b: owners(a).all() & owners(b).all(),
    "xor": lambda a, b: owners(a).all() ^ owners(b).all(),
    "in a union": lambda a, b: list(owners(a).filter(pk__in=owners(b).values("pk").union(owners(b).values("pk")))),
}

PREFETCHES: dict[str, Mix] = {
    "reverse foreign key": lambda a, b: prefetch_related_objects([a.ada], Prefetch("car_set", cars(b).all())),
    "foreign key": lambda a, b: prefetch_related_objects([a.beetle], Prefetch("owner", owners(b).all())),
    "m2m": lambda a, b: prefetch_related_objects([a.beetle], Prefetch("tags", b(Tag).objects.all())),
    "m2m to_attr": lambda a, b: prefetch_related_objects(
        [a.beetle], Prefetch("tags", b(Tag).objects.all(), to_attr="labels")
    ),
    "generic relation": lambda a, b: prefetch_related_objects([a.ada], Prefetch("notes", b(Note).objects.all())),
    "generic foreign key": lambda a, b: prefetch_related_objects(
        [a.note], GenericPrefetch("target", [owners(b).all()])
    ),
    "objects of two schemas, reverse": lambda a, b: prefetch_related_objects([a.ada, b.ada], "car_set"),
    "objects of two schemas, forward": lambda a, b: prefetch_related_objects([a.beetle, b.beetle], "owner"),
    "objects of two schemas, m2m": lambda a, b: prefetch_related_objects([a.beetle, b.beetle], "tags"),
    "objects of two schemas, generic": lambda a, b: prefetch_related_objects([a.note, b.note], "target"),
}


def instance_in(place: Place, model: Any) -> Any:
    """An instance with a key, as if it had been loaded."""
    instance = place(model)(pk=1)
    instance._state.adding = False
    return instance


def named(mixes: dict[str, Mix]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mix", mixes.values(), ids=mixes.keys())


def refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    with nothing_sent(), pytest.raises(SchemaMismatch) as caught:
        mix(acme, other)
    message = str(caught.value)
    assert acme.witness in message
    assert other.witness in message


@named(ASSIGNMENTS)
def test_assigning_is_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """An object of another schema can't be assigned to a relation."""
    refused(mix, acme, other, nothing_sent)


@named(WRITES)
def test_writing_is_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """Nothing of another schema can be written, and nothing be written, deleted or refreshed in another schema."""
    refused(mix, acme, other, nothing_sent)


@named(RELATED_MANAGERS)
def test_relating_is_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """The managers of relations take no objects of another schema, in whatever they are listed."""
    refused(mix, acme, other, nothing_sent)


@named(LOOK_UPS)
def test_looking_up_is_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """An object of another schema can't be looked for: its key means another object here."""
    refused(mix, acme, other, nothing_sent)


@named(SUBQUERIES)
def test_subqueries_are_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """One statement asks one schema, whatever queries it is made of."""
    refused(mix, acme, other, nothing_sent)


@named(PREFETCHES)
def test_prefetching_is_refused(mix: Mix, acme: Place, other: Place, nothing_sent: Watch) -> None:
    """Related objects come from the schema of the objects, which are of one schema."""
    refused(mix, acme, other, nothing_sent)


def test_prefetch_of_a_queryset_is_refused(acme: Place, other: Place, sent: Watch) -> None:
    """A queryset with such a Prefetch raises when it is evaluated; the other schema is not asked."""
    queryset = owners(acme).prefetch_related(Prefetch("car_set", queryset=cars(other).all()))
    with sent() as statements, pytest.raises(SchemaMismatch):
        list(queryset)
    assert [sql for sql in statements if f'"{other.schema}"' in sql] == []


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: cars(a).get_or_create(name="new", defaults={"owner": b.ada}),
        lambda a, b: cars(a).update_or_create(name="new", defaults={"owner": b.ada}),
        lambda a, b: cars(a).update_or_create(name="Beetle", defaults={"owner": b.ada}),
        lambda a, b: cars(a).update_or_create(name="new", defaults={}, create_defaults={"owner": b.ada}),
    ],
)
def test_defaults_are_refused(mix: Mix, acme: Place, other: Place) -> None:
    """An object of another schema among the defaults is found when these are used; nothing is written."""
    with pytest.raises(SchemaMismatch):
        mix(acme, other)
    for place in (acme, other):
        assert seen(cars(place).all(), "name", "owner_id") == [
            ("Beetle", 1, place.witness),
            ("Mini", 2, place.witness),
            ("Unimog", 1, place.witness),
        ]


def test_refused_mixes_leave_the_object_as_it_was(acme: Place, other: Place) -> None:
    """After a refused assignment the object has its old relation, and can be saved."""
    with pytest.raises(SchemaMismatch):
        acme.beetle.owner = other.ada
    acme.beetle.save()
    assert seen([acme(Car).objects.get(name="Beetle").owner]) == [("Ada", "default.acme")]


def test_the_same_in_the_others_context(acme: Place, other: Place, nothing_sent: Watch) -> None:
    """What is active makes no difference: the bound and the loaded are of their own schemas."""
    for place in (acme, other):
        with place.active():
            for mix in (WRITES["create"], WRITES["update"], LOOK_UPS["filter"], SUBQUERIES["in queryset"]):
                refused(mix, acme, other, nothing_sent)


def test_active_schema_and_an_object_of_another(acme: Place, other: Place, nothing_sent: Watch) -> None:
    """Not bound by hand but by a context, it is the same."""
    mixes: list[Callable[[], Any]] = [
        lambda: Car.objects.create(name="new", owner=other.ada),
        lambda: list(Car.objects.filter(owner=other.ada)),
        lambda: list(Car.objects.filter(owner__in=owners(other).all())),
        lambda: Car.objects.update(owner=other.ada),
        lambda: Car.objects.bulk_create([Car(owner=other.ada)]),
    ]
    for mix in mixes:
        with acme.active(), nothing_sent(), pytest.raises(SchemaMismatch):
            mix()


def test_queryset_made_outside_with_an_object(acme: Place, other: Place) -> None:
    """A queryset that was made while nothing was active belongs to the schema of the object that it looks for."""
    queryset = Car.objects.filter(owner=acme.ada)
    for place in (acme, other):
        with place.active():
            assert seen(queryset.all()) == [("Beetle", "default.acme"), ("Unimog", "default.acme")]
    assert seen(queryset.all()) == [("Beetle", "default.acme"), ("Unimog", "default.acme")]


def test_plain_alias_of_another_database(acme: Place, other: Place, nothing_sent: Watch) -> None:
    """`using="shard2"` of an object of `default` is no way to move it, whether something is active there or not."""
    db = "shard2"
    for method in (acme.ada.save, acme.ada.delete):
        with nothing_sent(), pytest.raises(NoActiveSchema):
            method(using=db)
        with Place(db, "initech").active(), nothing_sent(), pytest.raises(SchemaMismatch):
            method(using=db)


def test_values_of_another_schema_may_be_copied(acme: Place, other: Place) -> None:
    """What is refused is objects and querysets. Plain values are the caller's, and lists of them are."""
    names = list(owners(other).values_list("name", flat=True))
    assert seen(owners(acme).filter(name__in=names)) == [("Ada", "default.acme"), ("Bob", "default.acme")]
    assert owners(acme).filter(name=other.ada.name).update(name=F("name")) == 1

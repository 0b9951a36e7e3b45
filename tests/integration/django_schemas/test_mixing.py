"""Mixing two schemas of one environment is refused, in every way there is to do it, before any SQL is sent; the same
within one schema touches the rows of that schema.

A matrix: each operation of the tables below takes a place and another one. The other one is in the columns the same
schema, another schema, another database, another one whose objects are unsaved, or went through pickle and deepcopy
with its models and querysets; and the operation's asynchronous twin is asked.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cache, partial
from typing import Any
from unittest.mock import ANY

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    IntegerField,
    Model,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    When,
    Window,
    aprefetch_related_objects,
    prefetch_related_objects,
)
from django.utils.functional import SimpleLazyObject

from django_schemas import bind
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from tests.apps.garage.models import Badge, Car, Note, Owner, Repair, Tag, Truck
from tests.apps.garage.witness import Place, seen
from tools.sql import statements_of

Watch = Callable[[], AbstractContextManager[Any]]
Operation = Callable[[Place, Place], "partial[Any]"]
"""Makes a call of what a place is asked to do with what is another's."""

Table = dict[str, Operation | tuple[Operation, Any]]
"""Operations by name, with what they give where both are of one schema (see `shown`), if they give anything."""

ROWS = ("ada", "bob", "beetle", "unimog", "red", "badge", "user", "note", "permission")


class Unsaved(Place):
    """A place whose objects were never saved; they have keys, as those with UUIDs have."""


class Copied(Place):
    """A place whose models, querysets and objects went through pickle and deepcopy."""

    def __call__(self, model: Any) -> Any:
        return copied(super().__call__(model))


def copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(deepcopy(value)))


@cache
def committed_row(db: str, schema: str, row: str) -> Any:
    """A witness row, loaded once for all tests of this module."""
    return getattr(Place(db, schema), row)


@cache
def copied_queryset(db: str, schema: str, model: type[Model]) -> Any:
    return copied(bind(model, db, schema)._default_manager.all())


def row_of(place: Place, row: str) -> Any:
    loaded = committed_row(place.db, place.schema, row)
    if isinstance(place, Copied):
        return copied(loaded)
    if isinstance(place, Unsaved):
        fields = loaded._meta.concrete_fields
        return place(type(loaded))(**{field.attname: getattr(loaded, field.attname) for field in fields})
    return deepcopy(loaded)


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
        vars(place).update({row: row_of(place, row) for row in ROWS})
        if isinstance(place, Copied):
            for model in (Owner, Car, Tag, Note, Badge, User, Truck):
                copied_queryset(place.db, place.schema, model)


def rows(place: Place, model: type[Model]) -> Any:
    """The rows of a model: a manager, or a queryset that was copied."""
    if isinstance(place, Copied):
        return copied_queryset(place.db, place.schema, model).all()
    return place(model)._default_manager


def cars(place: Place) -> Any:
    return rows(place, Car)


def owners(place: Place) -> Any:
    return rows(place, Owner)


def tags(place: Place) -> Any:
    return rows(place, Tag)


def notes(place: Place) -> Any:
    return rows(place, Note)


def badges(place: Place) -> Any:
    return rows(place, Badge)


def users(place: Place) -> Any:
    return rows(place, User)


def trucks(place: Place) -> Any:
    return rows(place, Truck)


def alias(place: Place) -> Any:
    return place.ada._state.db


def lazy(instance: Any) -> Any:
    """As request.user is."""
    return SimpleLazyObject(lambda: instance)


def p_list(queryset: Any) -> "partial[Any]":
    """A call that asks for all objects of a queryset."""
    return partial(list, queryset)


def prefetch(objects: list[Any], lookup: Any) -> "partial[Any]":
    return partial(prefetch_related_objects, objects, lookup)


p = partial

UPDATING: dict[str, Any] = {"update_conflicts": True, "update_fields": ["name"], "unique_fields": ["id"]}


def kind_of_owner(place: Place) -> Any:
    with place.active():
        return ContentType.objects.get_for_model(Owner)


def named(instance: Any, name: Any) -> Any:
    instance.name = name
    return instance


def keyless(instance: Any) -> Any:
    """As copies are made of rows."""
    instance.pk = None
    return instance


ASSIGNMENTS: Table = {
    "foreign key": lambda a, b: p(setattr, a.beetle, "owner", b.ada),
    "foreign key, lazily": lambda a, b: p(setattr, a.beetle, "owner", lazy(b.ada)),
    "one to one": lambda a, b: p(setattr, a.badge, "user", b.user),
    "reverse one to one": lambda a, b: p(setattr, a.user, "badge", b.badge),
    "generic foreign key": lambda a, b: p(setattr, a.note, "target", b.ada),
    "foreign key of a generic one": lambda a, b: p(setattr, a.note, "content_type", kind_of_owner(b)),
    "bound model": (lambda a, b: p(a(Car), name="new", owner=b.ada), "new"),
    "bound model, parent": (lambda a, b: p(a(Truck), name="new", car_ptr=b.beetle), "new"),
    "bound model, generic": (lambda a, b: p(a(Note), text="new", target=b.ada), "new"),
    "model, two relations": lambda a, b: p(Repair, car=a.beetle, mechanic=b.ada),
}

WRITES: Table = {
    "create": (lambda a, b: p(cars(a).create, name="new", owner=b.ada), "new"),
    "create, lazily": (lambda a, b: p(cars(a).create, name="new", owner=lazy(b.ada)), "new"),
    "create child": (lambda a, b: p(trucks(a).create, name="new", owner=b.ada), "new"),
    "create generic": (lambda a, b: p(notes(a).create, text="new", target=b.ada), "new"),
    "create through": lambda a, b: p(a(Car.tags.through).objects.create, car=a.unimog, tag=b.red),
    "create with a copy": (lambda a, b: p(cars(a).create, name="new", owner=deepcopy(b.ada)), "new"),
    "get_or_create": (lambda a, b: p(cars(a).get_or_create, name="new", owner=b.ada), ("new", True)),
    "get_or_create, found": (lambda a, b: p(cars(a).get_or_create, name="Beetle", owner=b.ada), ("Beetle", False)),
    "get_or_create, in a list": (
        lambda a, b: p(cars(a).get_or_create, name="Beetle", owner__in=[b.ada]),
        ("Beetle", False),
    ),
    "update_or_create": (lambda a, b: p(cars(a).update_or_create, name="new", owner=b.ada), ("new", True)),
    "update_or_create, one to one": (
        lambda a, b: p(badges(a).update_or_create, {"number": 8}, user=b.user),
        (8, False),
    ),
    "update": (lambda a, b: p(cars(a).update, owner=b.ada), 3),
    "update of a filtered": (lambda a, b: p(cars(a).filter(name="Beetle").update, owner=b.ada), 1),
    "bulk_create": (
        lambda a, b: p(owners(a).bulk_create, [b(Owner)(name="new"), Owner(name="newer")]),
        ["new", "newer"],
    ),
    "bulk_create of bound instances": (lambda a, b: p(cars(a).bulk_create, [b(Car)(name="new")]), ["new"]),
    "bulk_create of loaded": (
        lambda a, b: p(tags(a).bulk_create, [Tag(name="new"), b.red], **UPDATING),
        ["new", "red"],
    ),
    "bulk_create of a generator": (
        lambda a, b: p(cars(a).bulk_create, (b(Car)(name="new") for _ in range(2))),
        ["new", "new"],
    ),
    "bulk_create with relations": (lambda a, b: p(cars(a).bulk_create, [Car(name="new", owner=b.ada)]), ["new"]),
    "bulk_create with generic ones": (lambda a, b: p(notes(a).bulk_create, [Note(text="new", target=b.ada)]), ["new"]),
    "bulk_update": (lambda a, b: p(cars(a).bulk_update, [a.beetle, b.beetle], ["name"]), 1),
    "save using": lambda a, b: p(a.ada.save, using=alias(b)),
    "save using, child": lambda a, b: p(a.unimog.save, using=alias(b)),
    "save using, adopted": lambda a, b: p(a.user.save, using=alias(b)),
    "save using, some fields": lambda a, b: p(a.ada.save, using=alias(b), update_fields=["name"]),
    "save using, a copy": lambda a, b: p(keyless(a.ada).save, using=alias(b)),
    "delete using": (
        lambda a, b: p(a.ada.delete, using=alias(b)),
        (8, {"garage.Car_tags": 2, "garage.Note": 2, "garage.Owner": 1, "garage.Truck": 1, "garage.Car": 2}),
    ),
    "delete using, nothing related": (lambda a, b: p(a.badge.delete, using=alias(b)), (1, {"garage.Badge": 1})),
    "delete using, by position": (lambda a, b: p(a.note.delete, alias(b)), (1, {"garage.Note": 1})),
    "delete using, adopted": (lambda a, b: p(a.user.delete, using=alias(b)), (2, {"garage.Badge": 1, "auth.User": 1})),
    "refresh using": lambda a, b: p(a.ada.refresh_from_db, using=alias(b)),
    "refresh some fields using": lambda a, b: p(a.ada.refresh_from_db, fields=["name"], using=alias(b)),
    "refresh from": lambda a, b: p(a.ada.refresh_from_db, from_queryset=owners(b).all()),
}

RELATED_MANAGERS: Table = {
    "m2m add": lambda a, b: p(a.unimog.tags.add, b.red),
    "m2m add, lazily": lambda a, b: p(a.unimog.tags.add, lazy(b.red)),
    "m2m add among own": lambda a, b: p(a.unimog.tags.add, a.red, b.red),
    "m2m remove": lambda a, b: p(a.beetle.tags.remove, b.red),
    "m2m set": lambda a, b: p(a.beetle.tags.set, [b.red]),
    "m2m set of a set": lambda a, b: p(a.beetle.tags.set, {b.red}),
    "m2m set of a generator": lambda a, b: p(a.beetle.tags.set, iter([b.red])),
    "m2m set of a dict's keys": lambda a, b: p(a.beetle.tags.set, {b.red: 1}.keys()),
    "m2m set, clear": lambda a, b: p(a.beetle.tags.set, [b.red], clear=True),
    "m2m add, reverse": lambda a, b: p(a.red.car_set.add, b.unimog),
    "m2m set, reverse": lambda a, b: p(a.red.car_set.set, [b.unimog]),
    "m2m create, reverse": (lambda a, b: p(a.red.car_set.create, name="new", owner=b.ada), "new"),
    "m2m get_or_create, reverse": (lambda a, b: p(a.red.car_set.get_or_create, name="new", owner=b.ada), ("new", True)),
    "m2m with a model between, add": lambda a, b: p(a.beetle.mechanics.add, b.ada, through_defaults={"_order": 1}),
    "through_defaults of add": lambda a, b: p(
        a.beetle.mechanics.add, a.bob, through_defaults={"_order": 1, "checked_by": b.ada}
    ),
    "through_defaults of set": lambda a, b: p(
        a.beetle.mechanics.set, [a.bob], through_defaults={"_order": 1, "checked_by": b.ada}
    ),
    "through_defaults of create": (
        lambda a, b: p(a.beetle.mechanics.create, name="new", through_defaults={"_order": 1, "checked_by": b.ada}),
        "new",
    ),
    "through_defaults of get_or_create": (
        lambda a, b: p(
            a.beetle.mechanics.get_or_create, name="new", through_defaults={"_order": 1, "checked_by": b.ada}
        ),
        ("new", True),
    ),
    "through_defaults of update_or_create": (
        lambda a, b: p(
            a.beetle.mechanics.update_or_create, name="new", through_defaults={"_order": 1, "checked_by": b.ada}
        ),
        ("new", True),
    ),
    "m2m of an adopted app": lambda a, b: p(a.user.user_permissions.add, b.permission),
    "m2m of an adopted app, remove": lambda a, b: p(a.user.user_permissions.remove, b.permission),
    "m2m of an adopted app, set": lambda a, b: p(a.user.user_permissions.set, [b.permission]),
    "m2m of an adopted app, reverse": lambda a, b: p(a.permission.user_set.add, b.user),
    "reverse foreign key, add": lambda a, b: p(a.ada.car_set.add, b.beetle),
    "reverse foreign key, add of a new": lambda a, b: p(a.ada.car_set.add, b(Car)(name="new"), bulk=False),
    "reverse foreign key, set": lambda a, b: p(a.ada.car_set.set, [b.beetle]),
    "reverse foreign key, remove": lambda a, b: p(a.ada.car_set.remove, b.beetle),
    "reverse foreign key, create": (lambda a, b: p(a.ada.car_set.create, name="new", owner=b.ada), "new"),
    "reverse foreign key, update": (lambda a, b: p(a.ada.car_set.update, owner=b.bob), 2),
    "reverse foreign key, bulk_create": (lambda a, b: p(a.ada.car_set.bulk_create, [b(Car)(name="new")]), ["new"]),
    "generic relation, add": lambda a, b: p(a.ada.notes.add, b.note),
    "generic relation, add of a new": lambda a, b: p(a.ada.notes.add, b(Note)(text="new", target=b.ada), bulk=False),
    "generic relation, set": lambda a, b: p(a.ada.notes.set, [b.note]),
    "generic relation, remove": lambda a, b: p(a.ada.notes.remove, b.note),
    "generic relation, create": (lambda a, b: p(a.ada.notes.create, text="new", target=b.ada), "new"),
}

LOOK_UPS: Table = {
    "filter": (lambda a, b: p_list(cars(a).filter(owner=b.ada)), ["Beetle", "Unimog"]),
    "filter, lazily": (lambda a, b: p_list(cars(a).filter(owner=lazy(b.ada))), ["Beetle", "Unimog"]),
    "filter exact": (lambda a, b: p_list(cars(a).filter(owner__exact=b.ada)), ["Beetle", "Unimog"]),
    "filter by the column": (lambda a, b: p_list(cars(a).filter(owner_id=b.ada)), ["Beetle", "Unimog"]),
    "exclude": (lambda a, b: p_list(cars(a).exclude(owner=b.ada)), ["Mini"]),
    "get": (lambda a, b: p(cars(a).get, name="Beetle", owner=b.ada), "Beetle"),
    "first": (lambda a, b: p(cars(a).filter(owner=b.ada).order_by("name").first), "Beetle"),
    "latest": (lambda a, b: p(cars(a).filter(owner=b.ada).latest, "name"), "Unimog"),
    "in_bulk": (lambda a, b: p(cars(a).filter(owner=b.bob).in_bulk), {2: "Mini"}),
    "in_bulk by objects": (lambda a, b: p(trucks(a).in_bulk, [b.unimog]), {3: "Unimog"}),
    "filter in list": (lambda a, b: p_list(cars(a).filter(owner__in=[a.bob, b.ada])), ["Beetle", "Mini", "Unimog"]),
    "filter in set": (lambda a, b: p_list(cars(a).filter(owner__in={b.ada})), ["Beetle", "Unimog"]),
    "exclude in list": (lambda a, b: p_list(cars(a).exclude(owner__in=[b.ada])), ["Mini"]),
    "filter q": (lambda a, b: p_list(cars(a).filter(Q(name="Mini") | Q(owner=b.ada))), ["Beetle", "Mini", "Unimog"]),
    "filter not q": (lambda a, b: p_list(cars(a).filter(~Q(owner=b.ada))), ["Mini"]),
    "filter m2m": (lambda a, b: p_list(cars(a).filter(tags=b.red)), ["Beetle", "Mini"]),
    "exclude m2m": (lambda a, b: p_list(cars(a).exclude(tags=b.red)), ["Unimog"]),
    "filter m2m in": (lambda a, b: p_list(cars(a).filter(tags__in=[b.red])), ["Beetle", "Mini"]),
    "filter reverse": (lambda a, b: p_list(owners(a).filter(car=b.beetle)), ["Ada"]),
    "exclude reverse": (lambda a, b: p_list(owners(a).exclude(car=b.beetle)), ["Bob"]),
    "filter one to one": (lambda a, b: p_list(badges(a).filter(user=b.user)), [7]),
    "filter reverse one to one": (lambda a, b: p_list(users(a).filter(badge=b.badge)), ["ada"]),
    "filter generic": (lambda a, b: p_list(owners(a).filter(notes=b.note)), ["Ada"]),
    "filter content type": (lambda a, b: p_list(notes(a).filter(content_type=kind_of_owner(b))), ["polite"]),
    "filter adopted": (lambda a, b: p_list(rows(a, Permission).filter(user=b.user)), []),
    "filter over two": (lambda a, b: p_list(tags(a).filter(car__owner=b.ada).distinct()), ["old", "red"]),
    "filter child": (lambda a, b: p_list(tags(a).filter(car__truck=b.unimog)), []),
    "filter child by key": (lambda a, b: p_list(trucks(a).filter(pk=b.unimog)), ["Unimog"]),
    "filter child by keys": (lambda a, b: p_list(trucks(a).filter(pk__in=[b.unimog])), ["Unimog"]),
    "filter child by parent": (lambda a, b: p_list(trucks(a).filter(car_ptr=b.unimog)), ["Unimog"]),
    "contains": (lambda a, b: p(cars(a).contains, b.beetle), True),
    "count": (lambda a, b: p(cars(a).filter(owner=b.ada).count), 2),
    "exists": (lambda a, b: p(cars(a).filter(owner=b.ada).exists), True),
    "filtered delete": (
        lambda a, b: p(cars(a).filter(owner=b.ada).delete),
        (6, {"garage.Car_tags": 2, "garage.Note": 1, "garage.Truck": 1, "garage.Car": 2}),
    ),
    "filtered update": (lambda a, b: p(cars(a).filter(owner=b.ada).update, name="new"), 2),
    "case when": (
        lambda a, b: p_list(cars(a).annotate(n=Case(When(owner=b.ada, then=1), output_field=IntegerField()))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "order by case": (
        lambda a, b: p_list(cars(a).order_by(Case(When(owner=b.ada, then=1), default=2))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "annotated condition": (
        lambda a, b: p_list(cars(a).annotate(x=ExpressionWrapper(Q(owner=b.ada), BooleanField())).filter(x=True)),
        ["Beetle", "Unimog"],
    ),
    "aggregate": (lambda a, b: p(cars(a).aggregate, n=Count("pk", filter=Q(owner=b.ada))), {"n": 2}),
    "aggregate, not in": (lambda a, b: p(cars(a).aggregate, n=Count("pk", filter=~Q(owner__in=[b.ada]))), {"n": 1}),
    "window": (
        lambda a, b: p(cars(a).annotate(n=Window(Count("pk", filter=Q(owner=b.ada)))).order_by("pk").first),
        "Beetle",
    ),
    "filtered relation": (
        lambda a, b: p_list(
            owners(a).annotate(c=FilteredRelation("car", condition=Q(car__owner=b.ada))).filter(c__name="Beetle")
        ),
        ["Ada"],
    ),
    "related manager": (lambda a, b: p_list(a.ada.car_set.filter(owner=b.ada)), ["Beetle", "Unimog"]),
    "values": (lambda a, b: p_list(cars(a).filter(notes__in=[b.note]).values_list("name", flat=True)), []),
    "dates": (lambda a, b: p(users(a).filter(badge__in=[b.badge]).dates("date_joined", "year").count), 1),
}

SUBQUERIES: Table = {
    "in queryset": (lambda a, b: p_list(cars(a).filter(owner__in=owners(b).all())), ["Beetle", "Mini", "Unimog"]),
    "in a filtered queryset": (
        lambda a, b: p_list(cars(a).filter(owner__in=owners(b).filter(name="Ada"))),
        ["Beetle", "Unimog"],
    ),
    "not in queryset": (lambda a, b: p_list(cars(a).exclude(owner__in=owners(b).all())), []),
    "in values": (lambda a, b: p_list(cars(a).filter(pk__in=cars(b).values("pk"))), ["Beetle", "Mini", "Unimog"]),
    "in values_list": (
        lambda a, b: p_list(cars(a).filter(owner__in=owners(b).values_list("pk"))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "in values of a column": (
        lambda a, b: p_list(cars(a).filter(name__in=cars(b).values("name"))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "equal to a queryset of one": (
        lambda a, b: p_list(cars(a).filter(owner=owners(b).order_by("pk")[:1])),
        ["Beetle", "Unimog"],
    ),
    "in queryset, m2m": (lambda a, b: p_list(cars(a).filter(tags__in=tags(b).filter(name="red"))), ["Beetle", "Mini"]),
    "in related manager": (lambda a, b: p_list(owners(a).filter(car__in=b.ada.car_set.all()).distinct()), ["Ada"]),
    "exists": (lambda a, b: p_list(owners(a).filter(Exists(cars(b).filter(owner=OuterRef("pk"))))), ["Ada", "Bob"]),
    "not exists": (lambda a, b: p_list(owners(a).filter(~Exists(b.ada.car_set.filter(owner=OuterRef("pk"))))), ["Bob"]),
    "annotated exists": (
        lambda a, b: p_list(owners(a).annotate(x=Exists(cars(b).filter(owner=OuterRef("pk"))))),
        ["Ada", "Bob"],
    ),
    "alias": (
        lambda a, b: p_list(owners(a).alias(x=Exists(cars(b).filter(owner=OuterRef("pk")))).filter(x=True)),
        ["Ada", "Bob"],
    ),
    "annotated subquery": (
        lambda a, b: p_list(owners(a).annotate(x=Subquery(cars(b).values("name")[:1]))),
        ["Ada", "Bob"],
    ),
    "having": (lambda a, b: p_list(owners(a).annotate(n=Count("car")).filter(n__lt=cars(b).values("pk")[:1])), []),
    "ordered by a subquery": (
        lambda a, b: p_list(owners(a).order_by(Subquery(cars(b).values("name")[:1]))),
        ["Ada", "Bob"],
    ),
    "window": (
        lambda a, b: p_list(cars(a).annotate(n=Window(Count("pk"), Subquery(owners(b).values("pk")[:1])))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "case when": (
        lambda a, b: p_list(
            cars(a).annotate(n=Case(When(Exists(owners(b).all()), then=1), output_field=IntegerField()))
        ),
        ["Beetle", "Mini", "Unimog"],
    ),
    "nested": (
        lambda a, b: p_list(cars(a).filter(owner__in=owners(a).filter(pk__in=Subquery(owners(b).values("pk"))))),
        ["Beetle", "Mini", "Unimog"],
    ),
    "update to a subquery": (
        lambda a, b: p(owners(a).update, name=Subquery(owners(b).order_by("pk").values("name")[:1])),
        2,
    ),
    "update to a queryset": (lambda a, b: p(cars(a).update, owner=owners(b).values("pk")[:1]), 3),
    "create with a subquery": (
        lambda a, b: p(owners(a).create, name=Subquery(owners(b).values("name")[:1]), witness=a.witness),
        ANY,  # From Django 6.0 on the value, before that the expression.
    ),
    "bulk_create with a subquery": (
        lambda a, b: p(owners(a).bulk_create, [Owner(name=Subquery(owners(b).values("name")[:1]))]),
        [None],
    ),
    "bulk_update to a subquery": (
        lambda a, b: p(cars(a).bulk_update, [named(a.beetle, Subquery(owners(b).values("name")[:1]))], ["name"]),
        1,
    ),
    "save a subquery": lambda a, b: p(named(a.beetle, Subquery(owners(b).values("name")[:1])).save),
    "delete by a subquery": (
        lambda a, b: p(notes(a).filter(object_id__in=owners(b).values("pk")).delete),
        (2, {"garage.Note": 2}),
    ),
    "count": (lambda a, b: p(cars(a).filter(owner__in=owners(b).all()).count), 3),
    "aggregate": (lambda a, b: p(cars(a).filter(owner__in=owners(b).all()).aggregate, n=Count("pk")), {"n": 3}),
    "aggregate over a subquery": (
        lambda a, b: p(cars(a).aggregate, n=Count(Subquery(owners(b).values("pk")[:1]))),
        {"n": 3},
    ),
    "explain": (lambda a, b: p(cars(a).filter(owner__in=owners(b).all()).explain), ANY),
    "union": (lambda a, b: p_list(owners(a).union(owners(b).all())), ["Ada", "Bob"]),
    "union of three": (lambda a, b: p_list(owners(a).union(owners(a).filter(pk=1), owners(b).all())), ["Ada", "Bob"]),
    "union all": (
        lambda a, b: p_list(owners(a).values("pk").union(cars(b).values("pk"), all=True)),
        [{"pk": 1}, {"pk": 1}, {"pk": 2}, {"pk": 2}, {"pk": 3}],
    ),
    "union of related": (lambda a, b: p_list(a.ada.car_set.union(b.ada.car_set.all())), ["Beetle", "Unimog"]),
    "count of a union": (lambda a, b: p(owners(a).union(owners(b).all()).count), 2),
    "intersection": (lambda a, b: p_list(owners(a).intersection(owners(b).all())), ["Ada", "Bob"]),
    "difference": (lambda a, b: p_list(owners(a).difference(owners(b).all())), []),
    "in a union": (
        lambda a, b: p_list(owners(a).filter(pk__in=owners(b).values("pk").union(owners(b).values("pk")))),
        ["Ada", "Bob"],
    ),
}

COMBINATIONS: Table = {
    "or": (lambda a, b: p(lambda: list(owners(a).filter(name="Ada") | owners(b).filter(name="Bob"))), ["Ada", "Bob"]),
    "and": (lambda a, b: p(lambda: list(owners(a).all() & owners(b).filter(name="Bob"))), ["Bob"]),
    "xor": (lambda a, b: p(lambda: list(owners(a).all() ^ owners(b).filter(name="Bob"))), ["Ada"]),
    "or of related": (lambda a, b: p(lambda: list(a.ada.car_set.all() | b.ada.car_set.all())), ["Beetle", "Unimog"]),
}

PREFETCHES: Table = {
    "reverse foreign key": lambda a, b: prefetch([a.ada], Prefetch("car_set", cars(b).all())),
    "foreign key": lambda a, b: prefetch([a.beetle], Prefetch("owner", owners(b).all())),
    "one to one": lambda a, b: prefetch([a.badge], Prefetch("user", users(b).all())),
    "reverse one to one": lambda a, b: prefetch([a.user], Prefetch("badge", badges(b).all())),
    "m2m": lambda a, b: prefetch([a.beetle], Prefetch("tags", tags(b).all())),
    "m2m with a model between": lambda a, b: prefetch([a.beetle], Prefetch("mechanics", owners(b).all())),
    "m2m to_attr": lambda a, b: prefetch([a.beetle], Prefetch("tags", tags(b).all(), to_attr="labels")),
    "generic relation": lambda a, b: prefetch([a.ada], Prefetch("notes", notes(b).all())),
    "generic foreign key": lambda a, b: prefetch([a.note], GenericPrefetch("target", [owners(b).all()])),
    "objects of two schemas, reverse": lambda a, b: prefetch([a.ada, b.bob], "car_set"),
    "objects of two schemas, forward": lambda a, b: prefetch([a.beetle, b.unimog], "owner"),
    "objects of two schemas, m2m": lambda a, b: prefetch([a.beetle, b.unimog], "tags"),
    "objects of two schemas, generic": lambda a, b: prefetch([a.note, b.note], "target"),
}


TABLES = {
    "assign": ASSIGNMENTS,
    "write": WRITES,
    "relate": RELATED_MANAGERS,
    "look up": LOOK_UPS,
    "subquery": SUBQUERIES,
    "combine": COMBINATIONS,
    "prefetch": PREFETCHES,
}
WITHOUT_TWINS = ("assign", "combine")
WITHOUT_OBJECTS = ("subquery", "combine", "prefetch")
OTHERS = {
    "schema": Place("default", "globex"),
    "database": Place("shard2", "initech"),
    "unsaved": Unsaved("default", "globex"),
    "copied": Copied("default", "globex"),
    "async": Place("default", "globex"),
}
SAME = {"same": Place("default", "acme"), "same, async": Place("default", "acme")}


def cells(columns: dict[str, Any]) -> Iterator[Any]:
    """The cells of the matrix: an operation, what it gives, and a column; but for what there is not."""
    for column, other in columns.items():
        for table, operations in TABLES.items():
            if not (
                ("async" in column and table in WITHOUT_TWINS) or (column == "unsaved" and table in WITHOUT_OBJECTS)
            ):
                for name, entry in operations.items():
                    operation, own = entry if isinstance(entry, tuple) else (entry, None)
                    yield pytest.param(column, other, operation, own, id=f"{column}: {table}: {name}")


def run(call: "partial[Any]", column: str) -> Any:
    """Make a call, or that of its asynchronous twin."""
    return async_to_sync(twin)(call) if "async" in column else call()


async def twin(call: "partial[Any]") -> Any:
    if call.func is list:
        return [each async for each in call.args[0]]
    if call.func is prefetch_related_objects:
        return await aprefetch_related_objects(*call.args)
    method: Any = call.func
    return await getattr(method.__self__, f"a{method.__name__}")(*call.args, **call.keywords)


@pytest.mark.parametrize(("column", "other", "operation", "own"), [*cells(OTHERS)])
def test_mixing_is_refused(
    column: str, other: Place, operation: Operation, own: Any, acme: Place, nothing_sent: Watch
) -> None:
    """What belongs to another schema is refused, whatever it went through; nothing is sent."""
    refused(operation, acme, other, nothing_sent, column)


def refused(operation: Operation, acme: Place, other: Place, nothing_sent: Watch, column: str = "") -> None:
    with nothing_sent(), pytest.raises(SchemaMismatch) as caught:
        run(operation(acme, other), column)
    message = str(caught.value)
    assert acme.witness in message
    assert other.witness in message


@pytest.mark.parametrize(("column", "other", "operation", "own"), [*cells(SAME)])
def test_own_rows(
    column: str, other: Place, operation: Operation, own: Any, acme: Place, globex: Place, sent: Watch
) -> None:
    """The same among rows of one schema works, whatever is active, and touches that schema alone."""
    with sent() as statements, globex.active():
        result = run(operation(acme, other), column)
    names = {name for sql in statements for each in statements_of(sql, has_params=True) for name in each.names}
    assert shown(result) == own
    assert {name.schema for name in names} <= {"acme", "registry"}


def shown(result: Any) -> Any:
    """What an operation gave: objects by what they show of themselves, if they are acme's; plain values as they are."""
    if isinstance(result, Model):
        assert result._state.db.placement == Place("default", "acme").placement
        assert getattr(result, "witness", "") in ("", "default.acme")
        shows = [getattr(result, field, None) for field in ("name", "text", "number", "username")]
        return next((value for value in shows if isinstance(value, str | int)), None)
    if isinstance(result, list):
        return sorted(map(shown, result), key=str)
    if isinstance(result, tuple):
        return tuple(map(shown, result))
    if isinstance(result, dict):
        return {key: shown(value) for key, value in result.items()}
    return result


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
def test_defaults_are_refused(mix: Callable[[Place, Place], Any], acme: Place, other: Place) -> None:
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
            for table, name in ((WRITES, "create"), (WRITES, "update"), (LOOK_UPS, "filter"), (SUBQUERIES, "exists")):
                refused(table[name][0], acme, other, nothing_sent)  # type: ignore[index]  # all of these give something


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

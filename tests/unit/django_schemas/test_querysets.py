"""Querysets and managers that carry a placement, as far as they can be seen without a database."""

import copy
import pickle
from typing import Any

import pytest
from django.contrib.auth.models import User, UserManager
from django.db.models import Manager, QuerySet
from django.db.models.functions import Upper

from django_schemas import Placement, bind, schema_context
from django_schemas.exceptions import NoActiveSchema, SchemaMismatch
from django_schemas.querysets import placed_queryset_class
from tests.apps.garage.models import (
    Badge,
    Car,
    CarManager,
    CarQuerySet,
    Note,
    OldCar,
    OldCarManager,
    Owner,
    OwnerManager,
    Truck,
)
from tests.apps.leaflets.models import Leaflet

ACME = Placement("default", "acme")
GLOBEX = Placement("default", "globex")


def place(queryset: Any) -> Placement:
    placement: Placement = queryset.placement.placement
    return placement


@pytest.mark.parametrize(
    "make",
    [
        Owner.objects.all,
        lambda: Owner.objects.named("Ada"),
        lambda: Owner.objects.filter(name="Ada").exclude(pk=1).order_by("name")[:3],
        Car.objects.all,
        lambda: Car.objects.all().tagged("red"),
        lambda: Car.fleet.tagged("red"),
        Truck.objects.all,
        OldCar.objects.all,
        Owner._base_manager.all,
        User.objects.all,
        lambda: User.objects.values("username"),
        Car.tags.through.objects.all,
        lambda: Owner.objects.none(),
        lambda: Owner.objects.using("default"),
        lambda: Owner.objects.db_manager("default").named("Ada"),
        lambda: Owner.objects.raw("SELECT 1"),
    ],
)
def test_placement_is_captured_when_the_queryset_is_made(make: Any) -> None:
    """Whatever manager makes it: made in acme, it is acme's, inside of globex and outside of everything."""
    with schema_context("default", "acme"):
        queryset = make()
    with schema_context("default", "globex"):
        assert queryset.db.placement == ACME
    assert queryset.db.placement == copy.deepcopy(queryset).db.placement == ACME


def test_raw_queryset_with_a_plain_alias_stays_in_its_schema() -> None:
    """`using` on what `.raw()` returned keeps the placement too: SQL of no schema would read `public`."""
    raw = Owner.set_db("default", "acme").objects.raw("SELECT * FROM garage_owner")
    assert raw.db.placement == ACME
    assert getattr(raw.using("default").db, "placement", None) == ACME


def test_every_clone_carries_it() -> None:
    """Each method that returns a queryset hands it on."""
    owners: Any = Owner.set_db("default", "acme").objects
    clones = [
        owners.all(),
        owners.filter(name="Ada"),
        owners.exclude(name="Ada"),
        owners.order_by("name").reverse(),
        owners.distinct(),
        owners.values("name"),
        owners.values_list("name", flat=True),
        owners.annotate(n=Upper("name")),
        owners.alias(n=Upper("name")),
        owners.select_related("plan"),
        owners.prefetch_related("car_set"),
        owners.defer("name"),
        owners.only("name"),
        owners.select_for_update(),
        owners.none(),
        owners.all()[2:5],
        owners.extra(where=["1=1"]),
        owners.union(owners.all()),
        owners.filter(name="Ada") | owners.filter(name="Bob"),
        owners.filter(name="Ada") & owners.filter(name="Bob"),
        owners.using("default"),
        owners.complex_filter({"name": "Ada"}),
    ]
    assert {place(clone) for clone in clones} == {ACME}


def test_queryset_made_while_nothing_is_active() -> None:
    """It is of no schema, follows who evaluates it, and is an error where nothing is active."""
    queryset = Owner.objects.filter(name="Ada")
    assert queryset.placement is None
    for schema, expected in (("acme", ACME), ("globex", GLOBEX)):
        with schema_context("default", schema):
            assert queryset.db.placement == queryset.all().db.placement == expected
    with pytest.raises(NoActiveSchema):
        _ = queryset.db


def test_pickled_query_keeps_its_placement() -> None:
    """A query that is pickled unevaluated is of the same schema where it is loaded."""
    with schema_context("default", "acme"):
        querysets: list[Any] = [Car.fleet.tagged("red"), User.objects.filter(pk=1), OldCar.objects.all()[:3]]
    for queryset in querysets:
        data = pickle.dumps(queryset.query)
        with schema_context("default", "globex"):
            loaded = pickle.loads(data)
        assert (place(loaded), type(loaded)) == (ACME, type(queryset.query))


def test_classes_go_by_their_own_names() -> None:
    """The classes that are made on demand look like those of the project, and are subclasses of them."""
    pairs = [
        (Owner.objects, OwnerManager),
        (Car.objects, CarManager),
        (OldCar.objects, OldCarManager),
        (Truck.objects, Manager),
        (User.objects, UserManager),
        (Car.objects.all(), CarQuerySet),
        (Car.fleet.all(), CarQuerySet),
        (Truck.objects.all(), QuerySet),
    ]
    for made, plain in pairs:
        assert isinstance(made, plain)
        cls = type(made)
        assert (cls.__name__, cls.__qualname__, cls.__module__) == (
            plain.__name__,
            plain.__qualname__,
            plain.__module__,
        )
        assert cls is not plain


def test_classes_are_made_once() -> None:
    """Managers of one class share one placed class, so that a thousand models cost no more classes."""
    assert type(Truck.objects) is type(Note.objects) is type(Badge.objects)
    assert type(Truck.objects.all()) is type(Note.objects.all()) is type(Owner.objects.all())


def test_other_models_are_left_alone() -> None:
    """Models of no environment keep Django's own managers and querysets."""
    assert type(Leaflet.objects) is Manager
    assert type(Leaflet.objects.all()) is QuerySet


def test_managers_are_written_into_migrations_as_the_project_has_them() -> None:
    """A manager deconstructs to the class that the project wrote, and equals a plain one of it."""
    assert User.objects.deconstruct() == (False, "django.contrib.auth.models.UserManager", None, (), {})
    plain = UserManager()
    plain.name, plain.model = User.objects.name, User
    assert User.objects == plain
    assert plain == User.objects
    assert User.objects != OwnerManager()


def test_manager_survives_copies_and_pickles() -> None:
    """A bound manager is bound still."""
    for manager in (Owner.set_db("default", "acme").objects, bind(User, "default", "acme").objects):
        for made in (copy.copy(manager), pickle.loads(pickle.dumps(manager))):
            assert (place(made.all()), type(made)) == (ACME, type(manager))


def test_combining_querysets_of_two_schemas() -> None:
    """`|`, `&` and `^` of two schemas are refused at once."""
    acme, globex = (Owner.set_db("default", schema).objects.all() for schema in ("acme", "globex"))
    for combine in (acme.__or__, acme.__and__, acme.__xor__):
        with pytest.raises(SchemaMismatch) as caught:
            combine(globex)
        assert str(caught.value) == (
            "A query on default.globex can't be combined with one on default.acme: make both in one schema."
        )


def test_binding_a_queryset_to_another_schema() -> None:
    """`using` with another schema's alias binds the clone, and leaves the queryset as it was; if unbound, that is."""
    globex = Owner.set_db("default", "globex").objects.all()
    with schema_context("default", "acme"):
        acme = Owner.objects.all()
    moved = acme.using(globex.placement)
    assert (place(acme), place(moved), moved.db.placement) == (ACME, GLOBEX, GLOBEX)
    with pytest.raises(SchemaMismatch) as caught:
        Owner.set_db("default", "acme").objects.using(globex.placement)
    assert str(caught.value) == "What is bound to default.acme can't be used in default.globex: make a queryset there."


class Outer:
    class Nested(QuerySet):  # type: ignore[type-arg]
        pass


@pytest.mark.parametrize("plain", [QuerySet, CarQuerySet, Outer.Nested])
def test_placed_class_goes_by_the_name_of_the_plain_one(plain: Any) -> None:
    """As in tracebacks and in documentation; what is made from a placed class is one."""
    placed = placed_queryset_class(plain)
    names = ("__name__", "__qualname__", "__module__", "__doc__")
    assert [getattr(placed, name) for name in names] == [getattr(plain, name) for name in names]
    assert placed is not plain

    class Derived(placed):
        pass

    assert placed_queryset_class(Derived) is Derived

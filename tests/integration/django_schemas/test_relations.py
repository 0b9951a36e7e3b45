"""Relations: followed forward and back, set and prefetched, they stay in the schema of the object they start from."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.db.models import Prefetch, aprefetch_related_objects, prefetch_related_objects
from django.db.models.signals import m2m_changed, post_save

from django_schemas.exceptions import SchemaMismatch
from django_schemas.relations import guard_descriptors
from tests.apps.garage.models import Badge, Car, Note, OldCar, Owner, Repair, Tag, Truck
from tests.apps.garage.witness import Place, seen

ADAS_CARS = [("Beetle", "default.acme"), ("Unimog", "default.acme")]
BEETLES_TAGS = [("old", "default.acme"), ("red", "default.acme")]


@pytest.fixture(params=["globex", "initech", "nothing"], autouse=True)
def _elsewhere(request: pytest.FixtureRequest, acme: Place) -> Iterator[None]:
    """Everything here happens outside of acme: in a neighbour, in another database, or where nothing is active."""
    for row in ("ada", "bob", "beetle", "unimog", "red", "badge", "user", "note"):
        getattr(acme, row)
    with nullcontext() if request.param == "nothing" else request.getfixturevalue(request.param).active():
        yield


def test_forward(acme: Place) -> None:
    """A foreign key, a one-to-one, a parent link."""
    assert seen([acme.beetle.owner]) == [("Ada", "default.acme")]
    assert acme.badge.user.last_name == "default.acme"
    assert seen([acme.unimog.car_ptr]) == [("Unimog", "default.acme")]


def test_reverse(acme: Place) -> None:
    """The reverse of a foreign key, of a one-to-one, of a parent link."""
    assert seen(acme.ada.car_set.all()) == ADAS_CARS
    assert seen(acme.ada.car_set.filter(tags__name="old")) == [("Beetle", "default.acme")]
    assert (acme.ada.car_set.count(), acme.ada.car_set.filter(witness="default.acme").exists()) == (2, True)
    assert (acme.ada.repairs.count(), acme.ada.repairs.exists()) == (0, False)
    assert acme.user.badge.witness == "default.acme"
    assert seen([acme(Car).objects.get(name="Unimog").truck], "payload") == [(4, "default.acme")]


def test_many_to_many(acme: Place) -> None:
    """Both ends of a many-to-many relation."""
    assert seen(acme.beetle.tags.all()) == BEETLES_TAGS
    assert seen(acme.red.car_set.all()) == [("Beetle", "default.acme"), ("Mini", "default.acme")]


def test_reverse_manager_writes(acme: Place, globex: Place) -> None:
    """create, add, remove, set and clear of a reverse foreign key write to the schema of the object."""
    created = acme.ada.car_set.create(name="Kombi", witness="default.acme")
    acme.ada.car_set.get_or_create(name="Polo", defaults={"witness": "default.acme"})
    acme.ada.car_set.update_or_create(name="Polo", defaults={"name": "Golf"})
    acme.ada.car_set.bulk_create([Car(name="Bulli", witness="default.acme", owner=acme.ada)])
    acme.ada.car_set.add(Car(name="Passat", witness="default.acme"), bulk=False)
    acme.ada.car_set.remove(acme.unimog.car_ptr)
    assert created.schema_name == "acme"
    assert seen(acme.ada.car_set.all()) == [
        (name, "default.acme") for name in ("Beetle", "Bulli", "Golf", "Kombi", "Passat")
    ]
    acme.ada.car_set.set([acme.beetle])
    assert seen(acme.ada.car_set.all()) == [("Beetle", "default.acme")]
    acme.ada.car_set.clear()
    assert seen(acme.ada.car_set.all()) == []
    assert seen(globex.ada.car_set.all()) == [("Beetle", "default.globex"), ("Unimog", "default.globex")]


def test_many_to_many_is_counted_in_its_own_table(acme: Place, sent: Any) -> None:
    """As in Django: without a join, if the manager at the other end is none of the project's; once it is prefetched,
    without a query.
    """
    with sent() as statements:
        assert (acme.beetle.tags.count(), acme.beetle.tags.exists()) == (2, True)
    assert ["JOIN" in sql for sql in statements] == [False, False]
    with sent() as statements:
        assert (acme.red.car_set.count(), acme.red.car_set.exists()) == (2, True)
    assert ["JOIN" in sql for sql in statements] == [True, True]
    beetle = acme(Car).objects.prefetch_related("tags").get(name="Beetle")
    with sent() as statements:
        assert (beetle.tags.count(), beetle.tags.exists()) == (2, True)
    assert statements == []


def test_many_to_many_writes(acme: Place, globex: Place) -> None:
    """create, add, remove, set and clear of a many-to-many relation too; by key as well as by object."""
    new = acme.beetle.tags.create(name="new", witness="default.acme")
    acme.beetle.tags.remove(acme.red)
    assert seen(acme.beetle.tags.all()) == [("new", "default.acme"), ("old", "default.acme")]
    acme.beetle.tags.set([acme.red, new.pk])
    assert seen(acme.beetle.tags.all()) == [("new", "default.acme"), ("red", "default.acme")]
    acme.red.car_set.add(acme.unimog.car_ptr)
    assert seen(acme.red.car_set.all()) == [(name, "default.acme") for name in ("Beetle", "Mini", "Unimog")]
    acme.beetle.tags.clear()
    assert seen(acme.beetle.tags.all()) == []
    assert seen(globex.beetle.tags.all()) == [("old", "default.globex"), ("red", "default.globex")]


def test_adopted_many_to_many(acme: Place, globex: Place) -> None:
    """Groups of a user of an adopted app."""
    acme.user.groups.create(name="mechanics")
    assert [group.name for group in acme.user.groups.all()] == ["mechanics"]
    assert acme(Group).objects.get().user_set.get() == acme.user
    assert list(globex.user.groups.all()) == []


def test_assigned_object_is_saved_with_its_schema(acme: Place) -> None:
    """An assigned object of the same schema is written by its key, and read back."""
    acme.beetle.owner = acme.bob
    acme.beetle.save()
    acme.beetle.refresh_from_db()
    assert seen([acme.beetle.owner]) == [("Bob", "default.acme")]


def test_unsaved_object_takes_the_schema_of_what_it_is_assigned(acme: Place, globex: Place) -> None:
    """An instance that belongs nowhere yet belongs, as in Django, where the object is that it is given."""
    car = Car(name="Kombi", witness="default.acme", owner=acme.ada)
    car.save()
    assert (car.schema_name, seen(acme(Car).objects.filter(name="Kombi"))) == ("acme", [("Kombi", "default.acme")])
    assert seen(globex(Car).objects.filter(name="Kombi")) == []


def test_prefetch_related_objects(acme: Place) -> None:
    """Prefetched for objects that are there already, related objects come from these objects' schema."""
    prefetch_related_objects([acme.ada, acme.bob], "car_set__tags", "notes")
    assert seen(acme.ada._prefetched_objects_cache["car_set"]) == ADAS_CARS
    assert {tag.witness for car in acme.ada.car_set.all() for tag in car.tags.all()} == {"default.acme"}
    assert seen(acme.ada.notes.all(), "text") == [("polite", "default.acme")]
    prefetch_related_objects([acme.beetle], Prefetch("tags", to_attr="labels"))
    assert seen(acme.beetle.labels) == BEETLES_TAGS
    prefetch_related_objects([acme.user], "badge")
    assert acme.user.badge.witness == "default.acme"


def test_prefetch_related_objects_forward(acme: Place) -> None:
    """The same along foreign keys and one-to-one relations."""
    prefetch_related_objects([acme.beetle], "owner")
    assert seen([acme.beetle.owner]) == [("Ada", "default.acme")]
    prefetch_related_objects([acme.badge], "user__groups")
    assert acme.badge.user.last_name == "default.acme"


def test_aprefetch_related_objects(acme: Place) -> None:
    """The same, asynchronously."""
    async_to_sync(aprefetch_related_objects)([acme.ada], "car_set")
    assert seen(acme.ada._prefetched_objects_cache["car_set"]) == ADAS_CARS


def test_prefetch_in_a_queryset(acme: Place) -> None:
    """The same in a bound queryset, over several levels, with a queryset of the unbound model as well."""
    owner = acme(Owner).objects.prefetch_related("car_set__tags__car_set", "notes__target").get(name="Ada")
    assert seen(owner.car_set.all()) == ADAS_CARS
    assert {other.witness for car in owner.car_set.all() for tag in car.tags.all() for other in tag.car_set.all()} == {
        "default.acme"
    }
    assert [note.target.witness for note in owner.notes.all()] == ["default.acme"]


SHARED: Any = Car.objects.exclude(name="none").order_by("name")
"""A queryset as modules have them, which belongs to no schema."""


@pytest.mark.parametrize("by_function", [False, True], ids=["by a queryset", "by the function"])
def test_shared_prefetch(by_function: bool, acme: Place, globex: Place, initech: Place) -> None:
    """A Prefetch of a queryset that was made at import serves each schema in turn."""
    prefetch = Prefetch("car_set", queryset=SHARED.filter(tags__isnull=False).distinct(), to_attr="tagged_cars")
    for place in (acme, globex, initech, acme):
        with place.active():
            owner: Any = Owner.objects.get(name="Ada")
            if by_function:
                prefetch_related_objects([owner], prefetch)
            else:
                owner = Owner.objects.prefetch_related(prefetch).get(name="Ada")
            assert seen(owner.tagged_cars) == [("Beetle", place.witness)]


SHARED_OWNERS = Owner.objects.prefetch_related(Prefetch("car_set", queryset=SHARED.select_related("owner")))


def test_shared_prefetch_in_the_relations_own_name(acme: Place, globex: Place, initech: Place) -> None:
    """So does one without `to_attr`, which Django keeps as the relation's own queryset."""
    for place in (acme, globex, initech, acme):
        with place.active():
            assert {car.witness for car in SHARED_OWNERS.get(name="Ada").car_set.all()} == {place.witness}


@pytest.mark.parametrize("by_function", [False, True], ids=["by a queryset", "by the function"])
def test_queryset_that_a_prefetch_was_made_of(by_function: bool, acme: Place, globex: Place) -> None:
    """A queryset that was made at import belongs to no schema after it was used in a Prefetch in one."""
    prefetch = Prefetch("car_set", queryset=SHARED.all(), to_attr="all_cars")
    with acme.active():
        if by_function:
            prefetch_related_objects([acme.ada], prefetch)
        else:
            list(Owner.objects.prefetch_related(prefetch))
    for place in (globex, acme):
        with place.active():
            assert {car.witness for car in SHARED.all()} == {place.witness}


def test_select_related(acme: Place) -> None:
    """Joined objects are of the same schema, and so is what is followed from them."""
    car = acme(Car).objects.select_related("owner", "truck").get(name="Unimog")
    assert seen([car.owner, car.truck]) == [("Ada", "default.acme"), ("Unimog", "default.acme")]
    assert car.owner.schema_name == car.truck.schema_name == "acme"
    assert seen(car.owner.car_set.all()) == ADAS_CARS
    badge = acme(Badge).objects.select_related("user").get()
    assert badge.user.last_name == "default.acme"
    assert badge.user == acme.user


def test_child_and_proxy(acme: Place) -> None:
    """Relations of a child model and of a proxy."""
    assert seen(acme(OldCar).objects.get().tags.all()) == BEETLES_TAGS
    assert seen([acme(Truck).objects.get().owner]) == [("Ada", "default.acme")]
    acme.unimog.tags.add(acme.red)
    assert seen(acme(Truck).objects.filter(tags=acme.red)) == [("Unimog", "default.acme")]


def test_collecting_what_would_be_deleted(acme: Place) -> None:
    """The admin's list of what goes along with an object shows rows of its schema."""
    collector = NestedObjects(using=acme.ada._state.db)
    collector.collect([acme.ada])
    found = {row.witness for rows in collector.data.values() for row in rows if hasattr(row, "witness")}
    assert found == {"default.acme"}


def test_serialized_with_natural_relations(acme: Place) -> None:
    """Serializing objects follows their many-to-many relations in their schema."""
    data = serializers.serialize("python", [acme.beetle])
    tags = sorted(tag.pk for tag in acme(Tag).objects.filter(name__in=["red", "old"]))
    assert sorted(data[0]["fields"]["tags"]) == tags  # Django asks for them in no order.


def test_deserialized_and_saved(acme: Place, globex: Place) -> None:
    """A deserialized object is saved, with its many-to-many relations, in the schema that is said."""
    alias = acme.ada._state.db
    data = serializers.serialize("json", [acme.beetle]).replace("Beetle", "Herbie")
    for deserialized in serializers.deserialize("json", data, using=alias):
        deserialized.save(using=alias)
    assert seen(acme(Car).objects.filter(pk=acme.beetle.pk)) == [("Herbie", "default.acme")]
    assert seen(globex(Car).objects.filter(pk=acme.beetle.pk)) == [("Beetle", "default.globex")]


def test_signals_name_the_schema(acme: Place) -> None:
    """Receivers of post_save and m2m_changed get the schema's alias as `using`."""
    heard: list[object] = []

    def receive(sender: object, using: object, **kwargs: object) -> None:
        heard.append(getattr(using, "placement", using))

    post_save.connect(receive, sender=Tag)
    m2m_changed.connect(receive, sender=Car.tags.through)
    try:
        acme.red.save()
        acme.beetle.tags.clear()
    finally:
        post_save.disconnect(receive, sender=Tag)
        m2m_changed.disconnect(receive, sender=Car.tags.through)
    assert set(heard) == {acme.placement}


def test_model_validation_of_unsaved_relations(acme: Place) -> None:
    """An object's cached relation is the object that was assigned, schema and all."""
    badge = Badge(number=1, witness="x", user=acme.user)
    assert badge.user is acme.user
    assert acme(User).objects.get(badge=acme.badge).last_name == "default.acme"
    assert acme(Note).objects.filter(text="polite").count() == 1


def test_order_with_respect_to(acme: Place, globex: Place, initech: Place) -> None:
    """The order of related objects is read, changed and followed in their own schema."""
    for place in (acme, globex, initech):
        for mechanic in (place.ada, place.bob, place.ada):
            place(Repair).objects.create(car=place.beetle, mechanic=mechanic, witness=place.witness)
    for place in (acme, initech):
        one, two, three = place(Repair).objects.order_by("pk")
        place.beetle.set_repair_order([three.pk, one.pk, two.pk])
        assert list(place.beetle.get_repair_order()) == [three.pk, one.pk, two.pk]
        assert seen([one.get_next_in_order(), one.get_previous_in_order()], "pk") == [
            (two.pk, place.witness),
            (three.pk, place.witness),
        ]
        place.beetle.set_repair_order([one.pk, two.pk, three.pk], using=place.db)
        assert list(place.beetle.get_repair_order()) == [one.pk, two.pk, three.pk]
    with pytest.raises(SchemaMismatch):
        acme.beetle.set_repair_order([], using=globex.ada._state.db)
    assert list(globex(Repair).objects.order_by("_order")) == list(globex(Repair).objects.order_by("pk"))


def test_fetched_ahead_for_objects_of_nowhere(acme: Place, globex: Place, nothing_sent: Any) -> None:
    """An object that was not saved is of no schema: what belongs to it is fetched in the active one."""
    with globex.active():
        owners = [Car(owner_id=acme.ada.pk)]
        prefetch_related_objects(owners, "owner")
        assert seen(car.owner for car in owners) == [("Ada", "default.globex")]
    cars = [Car(pk=acme.beetle.pk, owner_id=acme.ada.pk), acme.beetle, globex.beetle]
    for relation in ("owner", "tags"):
        with nothing_sent(), pytest.raises(SchemaMismatch):
            prefetch_related_objects(cars, relation)


def test_added_to_an_object_of_nowhere(acme: Place, globex: Place) -> None:
    """The same for what is written by its relations."""
    with globex.active():
        Car(pk=globex.beetle.pk).mechanics.add(globex.ada.pk, through_defaults={"witness": "new", "_order": 0})
    assert [repair.witness for repair in globex(Repair).objects.all()] == ["new"]
    assert not acme(Repair).objects.exists()


def test_what_is_guarded_is_guarded_once() -> None:
    """Preparing a model again changes nothing; managers that are no relation's have no method more."""
    for model in (Car, Owner, Badge, Truck):
        before = {name: type(attribute) for name, attribute in vars(model).items()}
        guard_descriptors(model)
        assert {name: type(attribute) for name, attribute in vars(model).items()} == before
        assert not hasattr(model.objects, "get_prefetch_querysets")

"""Instances of two schemas: what they are equal to, how they hash, and where they are written."""

import pickle
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from django_schemas.exceptions import SchemaMismatch
from tests.apps.garage.models import Car, OldCar, Owner, Truck
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

ROWS = ["ada", "beetle", "unimog", "red", "badge", "user", "note"]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ["globex", "initech"])
def test_rows_of_two_schemas_are_not_equal(row: str, name: str, acme: Place, request: pytest.FixtureRequest) -> None:
    """Two instances with the same key from two schemas, or two databases, are neither equal nor hash alike."""
    one, other = getattr(acme, row), getattr(request.getfixturevalue(name), row)
    assert one.pk == other.pk
    assert one != other
    assert not one == other  # noqa: SIM201 - both operators are tested
    assert hash(one) != hash(other)
    assert len({one, other}) == 2
    assert one not in [other]
    assert {one: 1}.get(other) is None


@pytest.mark.parametrize("row", ROWS)
def test_two_loads_of_one_row_are_equal(row: str, acme: Place, globex: Place) -> None:
    """The same row, loaded twice in whatever context, is equal and hashes alike."""
    one = getattr(acme, row)
    with globex.active():
        again = getattr(Place("default", "acme"), row)
    assert one is not again
    assert (one, hash(one), len({one, again})) == (again, hash(again), 1)


def test_equality_otherwise_is_djangos(acme: Place, globex: Place) -> None:
    """Other models, unsaved instances, proxies, children and other types compare as Django has it."""
    assert Owner() != Owner()
    one = Owner()
    assert one == one
    assert acme.ada != acme.bob
    assert acme.ada != acme(Car).objects.get(pk=acme.ada.pk)
    assert acme.ada != 1
    assert acme.ada.__eq__(1) is NotImplemented
    assert acme(OldCar).objects.get() == acme.beetle
    assert globex(OldCar).objects.get() != acme.beetle
    assert acme.unimog != acme(Car).objects.get(name="Unimog")
    with pytest.raises(TypeError, match="without primary key value are unhashable"):
        hash(Owner())


def test_hash_stays_when_it_is_saved(acme: Place) -> None:
    """An instance that was made in a schema with its key keeps its hash when it is saved."""
    with acme.active():
        cid = Owner(pk=100, name="Cid", witness="default.acme")
        known = {cid}
        cid.save()
        assert cid in known
    assert cid in known


def test_hash_does_not_follow_the_context(acme: Place, globex: Place) -> None:
    """An instance in a set is found in it whatever is active."""
    known = {acme.ada}
    with globex.active():
        assert acme.ada in known
        assert globex.ada not in known


def test_single_schema_instances(acme: Place) -> None:
    """Instances of a single-schema environment are equal wherever they were loaded."""
    plan = Plan.objects.get()
    with acme.active():
        assert (Plan.objects.get(), hash(Plan.objects.get())) == (plan, hash(plan))


def test_constructed_instance_with_a_key(acme: Place, globex: Place) -> None:
    """`Owner(pk=1)` counts as one of the place it would be saved to now."""
    with acme.active():
        assert Owner(pk=acme.ada.pk) == acme.ada
        assert Owner(pk=acme.ada.pk) != globex.ada
    assert acme(Owner)(pk=acme.ada.pk) == acme.ada


def test_in_bulk_and_in(acme: Place, globex: Place) -> None:
    """Look-ups in Python by membership tell the schemas apart."""
    found: dict[Any, Owner] = acme(Owner).objects.in_bulk()
    assert acme.ada in found.values()
    assert globex.ada not in found.values()
    assert acme.ada in acme(Owner).objects.all()
    assert globex.ada not in acme(Owner).objects.all()


def test_save_does_not_overwrite_the_neighbours_row(acme: Place, globex: Place) -> None:
    """An instance of acme that is saved or deleted inside of globex is saved and deleted in acme."""
    with globex.active():
        acme.ada.name = "Ada L."
        acme.ada.save()
        acme.unimog.payload = 5
        acme.unimog.save()
        acme.bob.delete()
    assert seen(acme(Owner).objects.all()) == [("Ada L.", "default.acme")]
    assert seen(acme(Truck).objects.all(), "payload") == [(5, "default.acme")]
    assert seen(globex(Owner).objects.all()) == [("Ada", "default.globex"), ("Bob", "default.globex")]
    assert seen(globex(Truck).objects.all(), "payload") == [(4, "default.globex")]


def test_pickled_instance_is_saved_at_home(acme: Place, globex: Place) -> None:
    """An instance that was pickled in acme and loaded in globex is saved in acme."""
    data = pickle.dumps(acme.user)
    with globex.active():
        user = pickle.loads(data)
        user.email = "ada@example.com"
        user.save()
    emails = [place(User).objects.get().email for place in (acme, globex)]
    assert emails == ["ada@example.com", ""]


@pytest.mark.parametrize("context", ["acme", "globex", "nothing"])
def test_permissions_of_a_user(context: str, acme: Place, globex: Place) -> None:
    """A user has the permissions of their own schema; where another is active it is an error, never the other's."""
    for place, codename in ((acme, "add_car"), (globex, "delete_car")):
        group = place(Group).objects.create(name="mechanics")
        group.permissions.add(place(Permission).objects.get(codename=codename))
        place.user.groups.add(group)
    active = {"acme": acme, "globex": globex}.get(context)
    with active.active() if active else nullcontext():
        if active is not globex:
            assert acme.user.get_all_permissions() == {"garage.add_car"}
        else:
            with pytest.raises(SchemaMismatch):
                acme.user.get_all_permissions()


def test_models_need_no_new_migrations(schemas: Any) -> None:
    """What adoption does to models is not seen by makemigrations: neither in adopted apps nor in ours."""
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)

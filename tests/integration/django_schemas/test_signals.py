"""Receivers of signals: what they do without saying where happens in the schema of the object they hear of."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from django_schemas import Placement, active_placement, schema_context
from tests.apps.garage.models import Badge, Car, Owner, Tag
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan

Heard = list[tuple[str, str, Placement | None, Placement | None]]

_KINDS = {id(pre_save): "pre_save", id(post_save): "post_save", id(pre_delete): "pre_delete",
          id(post_delete): "post_delete", id(m2m_changed): "m2m_changed"}  # fmt: skip


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What receivers of all these signals hear: the kind, the sender, and what is active, for tenants and at all.

    Each writes a tag, without saying where, and reads one.
    """
    found: Heard = []

    def receive(signal: Any, sender: Any, **kwargs: Any) -> None:
        if sender is Tag or sender._meta.app_label not in ("garage", "auth", "platform"):
            return
        kind = f"{_KINDS[id(signal)]} {kwargs['action']}" if "action" in kwargs else _KINDS[id(signal)]
        found.append((kind, sender.__name__, active_placement("tenant"), active_placement()))
        if active_placement("tenant") is not None:
            Tag.objects.create(name="heard", witness=Tag.objects.get(name="red").witness)

    signals = (pre_save, post_save, pre_delete, post_delete, m2m_changed)
    for signal in signals:
        signal.connect(receive)
    yield found
    for signal in signals:
        signal.disconnect(receive)


@pytest.fixture(params=["acme", "globex", "initech", "nothing"], autouse=True)
def _elsewhere(request: pytest.FixtureRequest, acme: Place) -> Iterator[None]:
    """What is active around."""
    for row in ("ada", "bob", "beetle", "unimog", "red", "badge", "user", "note"):
        getattr(acme, row)
    with nullcontext() if request.param == "nothing" else request.getfixturevalue(request.param).active():
        yield


WRITES: dict[str, tuple[Callable[[Place], Any], set[tuple[str, str]]]] = {
    "create": (
        lambda p: p(Car).objects.create(name="x", witness="x"),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "get_or_create": (
        lambda p: p(Car).objects.get_or_create(name="x", witness="x"),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "update_or_create": (
        lambda p: p(Car).objects.update_or_create(name="Mini", defaults={"witness": "x"}),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "related create": (
        lambda p: p.ada.car_set.create(name="x", witness="x"),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "related add, one by one": (
        lambda p: p.ada.car_set.add(p.beetle, bulk=False),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "save": (lambda p: p.beetle.save(), {("pre_save", "Car"), ("post_save", "Car")}),
    "save using": (lambda p: p.beetle.save(using="default"), {("pre_save", "Car"), ("post_save", "Car")}),
    "save_base": (lambda p: p.beetle.save_base(), {("pre_save", "Car"), ("post_save", "Car")}),
    "save of a bound model's": (
        lambda p: p(Car)(name="x", witness="x").save(),
        {("pre_save", "Car"), ("post_save", "Car")},
    ),
    "save of a child": (lambda p: p.unimog.save(), {("pre_save", "Truck"), ("post_save", "Truck")}),
    "save of an adopted model": (lambda p: p.user.save(), {("pre_save", "User"), ("post_save", "User")}),
    "asave": (lambda p: async_to_sync(p.beetle.asave)(), {("pre_save", "Car"), ("post_save", "Car")}),
    "delete": (
        lambda p: p.note.delete(),
        {("pre_delete", "Note"), ("post_delete", "Note")},
    ),
    "delete using": (
        lambda p: p.note.delete(using="default"),
        {("pre_delete", "Note"), ("post_delete", "Note")},
    ),
    "delete with what belongs to it": (
        lambda p: p.ada.delete(),
        {(kind, name) for kind in ("pre_delete", "post_delete") for name in ("Owner", "Car", "Truck", "Note")},
    ),
    "delete of an adopted model": (
        lambda p: p.user.delete(),
        {(kind, name) for kind in ("pre_delete", "post_delete") for name in ("User", "Badge")},
    ),
    "delete of a queryset": (
        lambda p: p(Owner).objects.filter(name="Ada").delete(),
        {(kind, name) for kind in ("pre_delete", "post_delete") for name in ("Owner", "Car", "Truck", "Note")},
    ),
    "delete of a related queryset": (
        lambda p: p.ada.notes.all().delete(),
        {("pre_delete", "Note"), ("post_delete", "Note")},
    ),
    "adelete": (
        lambda p: async_to_sync(p(Badge).objects.all().adelete)(),
        {("pre_delete", "Badge"), ("post_delete", "Badge")},
    ),
    "clear of a generic relation": (
        lambda p: p.ada.notes.clear(),
        {("pre_delete", "Note"), ("post_delete", "Note")},
    ),
    "m2m add": (
        lambda p: p.unimog.tags.add(p.red),
        {("m2m_changed pre_add", "Car_tags"), ("m2m_changed post_add", "Car_tags")},
    ),
    "m2m add from the other end": (
        lambda p: p.red.car_set.add(p.unimog),
        {("m2m_changed pre_add", "Car_tags"), ("m2m_changed post_add", "Car_tags")},
    ),
    "m2m remove": (
        lambda p: p.beetle.tags.remove(p.red),
        {("m2m_changed pre_remove", "Car_tags"), ("m2m_changed post_remove", "Car_tags")},
    ),
    "m2m set": (
        lambda p: p.beetle.tags.set([]),
        {("m2m_changed pre_remove", "Car_tags"), ("m2m_changed post_remove", "Car_tags")},
    ),
    "m2m clear": (
        lambda p: p.beetle.tags.clear(),
        {("m2m_changed pre_clear", "Car_tags"), ("m2m_changed post_clear", "Car_tags")},
    ),
    "m2m create": (
        lambda p: p.red.car_set.create(name="x", witness="x"),
        {("pre_save", "Car"), ("post_save", "Car"),
         ("m2m_changed pre_add", "Car_tags"), ("m2m_changed post_add", "Car_tags")},
    ),
    "m2m of an adopted model": (
        lambda p: async_to_sync(p.user.groups.aset)([p(Group).objects.create(name="x")]),
        {("pre_save", "Group"), ("post_save", "Group"),
         ("m2m_changed pre_add", "User_groups"), ("m2m_changed post_add", "User_groups")},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("write", "expected"), WRITES.values(), ids=WRITES.keys())
def test_receivers_see_the_place_of_the_object(
    write: Any, expected: set[tuple[str, str]], acme: Place, globex: Place, initech: Place, heard: Heard
) -> None:
    """Whatever is active around, receivers have the object's schema active: what they write lands there alone."""
    around = active_placement()
    write(acme)
    assert {(kind, sender) for kind, sender, *_ in heard} == expected
    assert {active for *_, active in heard} == {acme.placement}
    assert active_placement() == around
    assert seen(acme(Tag).objects.filter(name="heard")) == [("heard", "default.acme")] * len(heard)
    for place in (globex, initech):
        assert not place(Tag).objects.filter(name="heard").exists()


def test_object_of_a_single_schema(acme: Place, heard: Heard) -> None:
    """For an object of the registry its schema is the innermost one; what is active for tenants stays so."""
    around = active_placement("tenant")
    Plan.objects.create(name="silver", witness="default.registry")
    assert heard == [(kind, "Plan", around, Placement("default", "registry")) for kind in ("pre_save", "post_save")]


def test_other_environments_stay_active(acme: Place) -> None:
    """What is active of another environment stays so for what is done to an object of this one."""
    registry = Placement("default", "registry")
    found = []

    def receive(**kwargs: Any) -> None:
        found.append((active_placement("registry"), active_placement("tenant")))

    with ExitStack() as stack:
        for signal in (pre_delete, post_save):
            signal.connect(receive, sender=Owner)
            stack.callback(signal.disconnect, receive, sender=Owner)
        stack.enter_context(schema_context("default", "registry"))
        acme(Owner).objects.create(name="new", witness="x")
        acme(Owner).objects.filter(name="new").delete()
    assert found == [(registry, acme.placement)] * 2


def test_user_of_the_registry(acme: Place, heard: Heard) -> None:
    """A user of the platform's, though the model is a tenant's too: adopted models mean the registry's there."""
    registry = Plan.objects.create(name="silver", witness="x")._state.db
    del heard[:]
    user = User(username="root")
    user.save(using=registry)
    user.groups.add(Group.objects.using(registry).create(name="staff"))
    assert {active for *_, active in heard} == {Placement("default", "registry")}
    assert {sender for _, sender, *_ in heard} == {"User", "Group", "User_groups"}


def test_error_of_a_receiver(acme: Place, globex: Place) -> None:
    """What a receiver raises comes through, and what was active before is active behind it."""

    def fail(**kwargs: Any) -> None:
        raise KeyError

    around = active_placement()
    with ExitStack() as stack:
        for signal, sender in ((pre_save, Car), (pre_delete, Car), (m2m_changed, Car.tags.through)):
            signal.connect(fail, sender=sender)
            stack.callback(signal.disconnect, fail, sender=sender)
        for write in (acme.beetle.save, acme.beetle.delete, acme(Car).objects.all().delete, acme.beetle.tags.clear):
            with pytest.raises(KeyError), transaction.atomic():
                write()
            assert active_placement() == around

"""Factories of witness rows: each makes its row in the active placement, and writes that placement into it."""

import factory
from django.contrib.auth.models import User
from factory.django import DjangoModelFactory

from django_schemas import active_placement
from tests.apps.garage.models import Badge, Car, Note, Owner, Tag, Truck
from tests.apps.platform.models import Plan

__all__ = ["BadgeFactory", "CarFactory", "NoteFactory", "OwnerFactory", "PlanFactory", "TagFactory", "TruckFactory"]


def here() -> str:
    """The active placement in words."""
    return str(active_placement())


class PlanFactory(DjangoModelFactory):
    name = "gold"
    witness = "default.registry"

    class Meta:
        model = Plan
        django_get_or_create = ["name"]


class GarageFactory(DjangoModelFactory):
    witness = factory.LazyFunction(here)

    class Meta:
        abstract = True


class TagFactory(GarageFactory):
    name = "red"

    class Meta:
        model = Tag


class OwnerFactory(GarageFactory):
    name = "Ada"

    class Meta:
        model = Owner


class CarFactory(GarageFactory):
    name = "Beetle"
    owner = factory.SubFactory(OwnerFactory)

    class Meta:
        model = Car


class TruckFactory(CarFactory):
    name = "Unimog"
    payload = 4

    class Meta:
        model = Truck


class UserFactory(DjangoModelFactory):
    username = "ada"
    last_name = factory.LazyFunction(here)

    class Meta:
        model = User


class BadgeFactory(GarageFactory):
    number = 7
    user = factory.SubFactory(UserFactory)

    class Meta:
        model = Badge


class NoteFactory(GarageFactory):
    text = "polite"

    class Meta:
        model = Note

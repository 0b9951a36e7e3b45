"""Membership: which environments models, historic models and apps are of."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.contrib.sites.models import Site
from django.db import models as django_models
from django.db.migrations.state import ModelState, ProjectState
from django.test.utils import isolate_apps

from django_schemas import membership, models
from tests.apps.depot.models import Contract
from tests.apps.garage.models import Badge, Car, Lot, Note, OldCar, Owner, Repair, Tag, Truck
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan
from tests.apps.signs.models import Sign

BOTH = ("registry", "tenant")


@pytest.mark.parametrize(
    ("model", "environments"),
    [
        (Plan, ("registry",)),
        (Owner, ("tenant",)),
        (Car, ("tenant",)),
        (Car.tags.through, ("tenant",)),
        (Truck, ("tenant",)),
        (OldCar, ("tenant",)),
        (Contract, ("depot",)),
        (User, BOTH),
        (User.groups.through, BOTH),
        (LogEntry, BOTH),
        (Session, BOTH),
        (Sign, BOTH),
        (Leaflet, ()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_environments_of_a_model(model: Any, environments: tuple[str, ...]) -> None:
    """Declared, inherited from an abstract base or a parent, a relation's table, a proxy, adopted, or none."""
    assert membership.environments_of(model) == environments


@isolate_apps("tests.apps.garage")
def test_nearest_declaration_counts() -> None:
    """A model's own declaration counts before its bases'; a base further away counts if the nearer says nothing."""

    class Base(models.Model):
        class Meta:
            abstract = True
            db_environment = "tenant"

    class Mixin(django_models.Model):
        class Meta:
            abstract = True

    class Between(Mixin, Base):
        class Meta:
            abstract = True

    class Child(Between):
        class Meta:
            app_label = "garage"

    class Other(Between):
        class Meta:
            app_label = "garage"
            db_environment = "depot"

    assert (membership.environments_of(Child), membership.environments_of(Other)) == (("tenant",), ("depot",))


@isolate_apps("tests.apps.leaflets", "django.contrib.auth")
def test_proxy_goes_with_its_concrete_model() -> None:
    """A proxy of an adopted model stands where that stands, in whatever app it is written."""

    class Person(User):
        class Meta:
            proxy = True
            app_label = "leaflets"

    assert membership.environments_of(Person) == BOTH


@pytest.mark.parametrize(
    ("app_label", "name", "environments"),
    [
        ("garage", "Owner", ("tenant",)),
        ("garage", "owner", ("tenant",)),
        ("garage", "Car_tags", ("tenant",)),
        ("platform", "plan", ("registry",)),
        ("auth", "user", BOTH),
        ("leaflets", "leaflet", ()),
        ("leaflets", "gone", ()),
        ("garage", "gone", ("tenant",)),
        ("auth", "gone", BOTH),
        ("nothing", "gone", ()),
    ],
)
def test_environments_by_name(app_label: str, name: str, environments: tuple[str, ...]) -> None:
    """The model of today decides, in any case; of one that is gone its app tells."""
    assert membership.environments_of_name(app_label, name) == environments


def historic(app_label: str, name: str, **options: Any) -> type[django_models.Model]:
    """A model as the state of a migration has it, in an app whose models of today don't know it."""
    state = ProjectState()
    state.add_model(ModelState(app_label, name, [("id", django_models.AutoField(primary_key=True))], options))
    return state.apps.get_model(app_label, name)


def test_historic_model_that_is_gone() -> None:
    """A model that was deleted since is where its migration recorded it."""
    gone = historic("leaflets", "Gone", db_environment="tenant")
    assert membership.environments_of_name("leaflets", "Gone", gone) == ("tenant",)
    assert membership.environments_of_name("garage", "Gone", historic("garage", "Gone")) == ("tenant",)


def test_model_of_today_counts_before_the_historic_one() -> None:
    """A migration that was written before the environment was declared makes the table where it belongs today."""
    old = historic("platform", "Plan")
    assert membership.environments_of_name("platform", "Plan", old) == ("registry",)


def test_historic_relation_table() -> None:
    """The table of a many-to-many relation that is gone goes with the model that declared it."""
    state = ProjectState()
    key = ("id", django_models.AutoField(primary_key=True))
    state.add_model(ModelState("leaflets", "Word", [key], {"db_environment": "tenant"}))
    words = django_models.ManyToManyField("leaflets.Word")
    state.add_model(ModelState("leaflets", "Text", [key, ("words", words)], {"db_environment": "tenant"}))
    through = state.apps.get_model("leaflets", "Text").words.through
    assert membership.environments_of_name("leaflets", "Text_words", through) == ("tenant",)


def test_current_and_historic_models_are_told_apart() -> None:
    """A model is current if the project's registry of apps holds it."""
    assert membership.is_current(Plan)
    assert not membership.is_current(historic("platform", "Plan"))


def test_environments_of_apps() -> None:
    """An app is where its models are, or where it is adopted."""
    labels = ["auth", "depot", "django_schemas", "garage", "leaflets", "messages", "platform", "signs", "nothing"]
    assert {label: membership.environments_of_app(label) for label in labels} == {
        "auth": BOTH,
        "depot": ("depot",),
        "django_schemas": (),
        "garage": ("tenant",),
        "leaflets": (),
        "messages": (),
        "platform": ("registry",),
        "signs": BOTH,
        "nothing": (),
    }


def test_models_of_an_environment() -> None:
    """An environment's models are all that have a table in it, relation tables and proxies included."""
    adopted = {
        User, Group, Permission, User.groups.through, User.user_permissions.through, Group.permissions.through,
        ContentType, Session, LogEntry, Sign, Site,
    }  # fmt: skip
    assert set(membership.models_of("tenant")) == adopted | {
        Owner, Car, Car.tags.through, Truck, OldCar, Tag, Badge, Lot, Note, Repair,
    }  # fmt: skip
    assert set(membership.models_of("registry")) >= adopted | {Plan}
    assert set(membership.models_of("depot")) == {Contract}
    # GeoDjango's, where it is installed, are those of tables of the extension's.
    assert {model for model in membership.models_of(None) if model._meta.managed} == {Leaflet}


def test_app_labels_of_an_environment() -> None:
    """An environment's migrations come from the apps that have models in it."""
    adopted = {"admin", "auth", "contenttypes", "sessions", "signs", "sites"}
    assert membership.app_labels_of("tenant") == adopted | {"garage"}
    assert membership.app_labels_of("registry") >= adopted | {"platform"}
    assert membership.app_labels_of("depot") == {"depot"}
    assert membership.app_labels_of(None) - {"gis"} == {"leaflets"}

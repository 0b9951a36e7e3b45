"""The system checks of django_schemas: each finds its fault, and none finds fault with the settings of the tests."""

from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import models as plain
from django.test.utils import isolate_apps

from django_schemas import models
from django_schemas.checks import (
    check_models,
    check_settings,
    environment_differs,
    environment_unknown,
    hidden_methods,
    relation,
)
from tests.apps.garage.models import Car, Owner
from tests.apps.platform.models import Plan

# Only the checks look at these settings here.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


def found_ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_no_fault() -> None:
    """The settings and models of the tests are right, but for the environment that no database hosts."""
    assert found_ids(check_settings(None)) == ["django_schemas.W010"]
    assert check_models(None) == []


@pytest.mark.parametrize(
    ("id_", "environments", "databases", "words"),
    [
        ("E001", {"tenant": {"SCHEMANAME": "x"}}, {}, "SCHEMANAME"),
        ("E002", {}, {"default": {"ENVIRONMENTS": ["registry", "tenant", "nowhere"]}}, "nowhere"),
        ("E003", {}, {"shard2": {"ENGINE": "django.db.backends.postgresql"}}, "shard2"),
        ("E003", {}, {"shard2-read1": {"ENGINE": "django.db.backends.postgresql"}}, "shard2-read1"),
        ("E005", {}, {"shard2": {"ENVIRONMENTS": ["registry", "tenant"]}}, "'default' and 'shard2'"),
        ("E005", {}, {"default": {"ENVIRONMENTS": ["tenant"]}}, "no database"),
        ("E006", {}, {"neu-read1": {"ENGINE": "x"}, "eu": {"ENGINE": "x"}}, "'neu'"),
        ("E007", {"registry": {"SCHEMA_NAME": "Registry"}}, {}, "Registry"),
        ("E007", {"tenant": {"ADDITIONAL_SCHEMAS": ["a b"]}}, {}, "a b"),
        ("E009", {"tenant": {"APPS": ["django.contrib.redirects"]}}, {}, "django.contrib.redirects"),
    ],
)
def test_settings_fault(settings: Any, id_: str, environments: Any, databases: Any, words: str) -> None:
    """A fault in the settings is found by its id, and the message names what is wrong."""
    changed = deepcopy(settings.DATABASE_ENVIRONMENTS)
    for name, options in environments.items():
        changed.setdefault(name, {}).update(options)
    dbs = deepcopy(settings.DATABASES)
    for name, options in databases.items():
        dbs.setdefault(name, {}).update(options)
    settings.DATABASE_ENVIRONMENTS, settings.DATABASES = changed, dbs
    messages = [each for each in check_settings(None) if each.id == f"django_schemas.{id_}"]
    assert len(messages) == 1
    assert words in messages[0].msg


def test_router_missing(settings: Any) -> None:
    """Environments without the router would be as good as none."""
    settings.DATABASE_ROUTERS = []
    assert "django_schemas.E004" in found_ids(check_settings(None))


def test_schema_shared(settings: Any) -> None:
    """Two environments can't share a schema."""
    settings.DATABASE_ENVIRONMENTS = {**settings.DATABASE_ENVIRONMENTS, "other": {"SCHEMA_NAME": "registry"}}
    dbs = deepcopy(settings.DATABASES)
    dbs["default"]["ENVIRONMENTS"].append("other")
    settings.DATABASES = dbs
    assert "django_schemas.E008" in found_ids(check_settings(None))


@isolate_apps("tests.apps.garage")
def test_unknown_environment() -> None:
    """A model in an environment that is not declared."""

    class Lost(models.Model):
        class Meta:
            app_label = "garage"
            db_environment = "nowhere"

    assert found_ids(environment_unknown(Lost)) == ["django_schemas.E011"]


@isolate_apps("tests.apps.garage")
def test_child_in_another_environment() -> None:
    """A child or a proxy lives where its parent's table is."""

    class Elsewhere(Owner):
        class Meta:
            app_label = "garage"
            db_environment = "registry"

    assert found_ids(environment_differs(Elsewhere)) == ["django_schemas.E012"]
    assert list(environment_differs(Owner)) == []


@isolate_apps("tests.apps.garage")
def test_hidden_methods() -> None:
    """A field that hides one of our attributes."""

    class Hiding(models.Model):
        schema_name = models.CharField(max_length=9)

        class Meta:
            app_label = "garage"
            db_environment = "tenant"

    assert found_ids(hidden_methods(Hiding)) == ["django_schemas.W013"]


@pytest.mark.parametrize(
    ("environment", "target", "constrained", "expected"),
    [
        ("tenant", Car, True, []),
        ("tenant", User, True, []),
        ("registry", Plan, True, []),
        ("registry", User, True, []),
        ("tenant", Plan, False, []),
        ("tenant", Plan, True, ["django_schemas.E017"]),
        ("registry", Car, True, ["django_schemas.E015"]),
        ("depot", Car, True, ["django_schemas.E016"]),
        (None, Car, True, ["django_schemas.E014"]),
        (None, ContentType, True, ["django_schemas.E014"]),
    ],
)
@isolate_apps("django.contrib.contenttypes", "django.contrib.auth", "tests.apps.garage", "tests.apps.platform")
def test_relations(environment: str | None, target: Any, constrained: bool, expected: list[str]) -> None:
    """Relations lead within an environment or to a single-schema one, and across databases without a constraint."""
    options = {"app_label": "unlisted"} | ({"db_environment": environment} if environment else {})
    model = type(
        "Referring",
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": type("Meta", (), options),
            "to": plain.ForeignKey(target, on_delete=plain.CASCADE, db_constraint=constrained, related_name="+"),
        },
    )
    assert found_ids(relation(model, model._meta.get_field("to"))) == expected

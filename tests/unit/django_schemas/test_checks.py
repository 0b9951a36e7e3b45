"""The system checks of django_schemas: each finds its fault, and none finds fault with the settings of the tests."""

from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import get_commands
from django.core.management.base import BaseCommand
from django.db import models as plain
from django.test.utils import isolate_apps

from django_schemas import models
from django_schemas.checks import check_model, check_models, check_settings
from django_schemas.environments import environments
from django_schemas.exceptions import ConfigError
from django_schemas.management.commands import migrate
from tests.apps.garage.models import Car, Owner
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan

# Only the checks look at these settings here.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


ENGINE = "django_schemas.backends.postgres.wrapper"


def found_ids(messages: Any) -> list[str]:
    return [message.id for message in messages]


def test_no_fault() -> None:
    """The settings and models of the tests are right, but for the two environments that no database hosts."""
    assert found_ids(check_settings(None)) == ["django_schemas.W010"] * 2
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
        ("E026", {}, {"default": {"MAX_LAG_S": 5}}, "'default'"),
        ("E026", {}, {"shard2-read1": {"ENGINE": ENGINE, "MAX_LAG_S": "5"}}, "'5'"),
        ("E026", {}, {"shard2-read1": {"ENGINE": ENGINE, "MAX_LAG_S": -1}}, "-1"),
        ("E028", {}, {"default": {"CITUS": "yes"}}, "'yes'"),
        ("E028", {}, {"shard2-read1": {"ENGINE": ENGINE, "CITUS": True}}, "True"),
        ("E009", {"tenant": {"APPS": ["django.contrib.redirects"]}}, {}, "django.contrib.redirects"),
        ("W010", {"lonely": {}, **{name: {"SCHEMA_NAME": name} for name in ("depot", "crates")}}, {}, "lonely"),
        ("E018", {"tenant": {"APPS": "django.contrib.auth"}}, {}, "['tenant']['APPS'] is 'django.contrib.auth'"),
        ("E018", {"tenant": {"ADDITIONAL_SCHEMAS": "public"}}, {}, "['tenant']['ADDITIONAL_SCHEMAS'] is 'public'"),
        ("E018", {}, {"default": {"ENVIRONMENTS": "tenant"}}, "DATABASES['default']['ENVIRONMENTS'] is 'tenant'"),
        ("E020", {"tenant": {"ADDITIONAL_SCHEMAS": ["public", "registry"]}}, {}, "names 'registry'"),
        ("E021", {"tenant": {"APPS": ["django.contrib.gis"]}}, {}, "['tenant']['APPS'] names 'django.contrib.gis'"),
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
    assert messages[0].hint


@pytest.mark.parametrize("value", [["tenant"], {"tenant": "public"}, "tenant", None])
def test_environments_are_a_dict_of_dicts(settings: Any, value: Any) -> None:
    """Nothing can be done with anything else, so this is no check: the first model is told."""
    settings.DATABASE_ENVIRONMENTS = value
    with pytest.raises(ConfigError, match=r"DATABASE_ENVIRONMENTS is .*, which is no dict of dicts"):
        environments()


def test_own_public_schema_and_extensions(settings: Any) -> None:
    """An existing project may have its tables and its extensions in `public`."""
    settings.DATABASE_ENVIRONMENTS = {**settings.DATABASE_ENVIRONMENTS, "registry": {"SCHEMA_NAME": "public"}}
    assert "django_schemas.E020" not in found_ids(check_settings(None))


class OtherRouter:
    """Has no opinion."""


def test_router_not_first(settings: Any) -> None:
    """A router before ours may allow what ours refuses; one behind it can't."""
    ours, other = "django_schemas.routers.ExplicitRouter", OtherRouter()
    settings.DATABASE_ROUTERS = [other, ours]
    assert "django_schemas.W019" in found_ids(check_settings(None))
    settings.DATABASE_ROUTERS = [ours, other]
    assert "django_schemas.W019" not in found_ids(check_settings(None))


class OtherMigrate(BaseCommand):
    """A command of another app."""


class FurtherMigrate(migrate.Command):
    """A project's own, on top of ours."""


def test_command_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of an earlier app that takes the place of ours, unless it is made from ours."""
    monkeypatch.setitem(get_commands(), "migrate", OtherMigrate())
    (message,) = [each for each in check_settings(None) if each.id == "django_schemas.W023"]
    assert "`manage.py migrate`" in message.msg
    monkeypatch.setitem(get_commands(), "migrate", FurtherMigrate())
    assert "django_schemas.W023" not in found_ids(check_settings(None))


def test_router_missing(settings: Any) -> None:
    """Environments without the router would be as good as none."""
    settings.DATABASE_ROUTERS = []
    assert "django_schemas.E004" in found_ids(check_settings(None))


@pytest.mark.parametrize("limit_s", [None, 0, 0.5, 60])
def test_max_lag(settings: Any, limit_s: float | None) -> None:
    """A replica may have any number of seconds, or no limit."""
    settings.DATABASES = {**settings.DATABASES, "shard2-read1": {"ENGINE": ENGINE, "MAX_LAG_S": limit_s}}
    assert "django_schemas.E026" not in found_ids(check_settings(None))


LIMITS = {
    "E030": ("MAX_CONNECTIONS", [2, 500, None], [0, 1, -1, 2.5, "4"]),
    "E031": ("MAX_SCHEMAS_PER_CONNECTION", [1, 500, None], [0, -1, 2.5, "4"]),
}


@pytest.mark.parametrize("id_", LIMITS)
def test_limits(settings: Any, id_: str) -> None:
    """Limits of connections are whole numbers, or None."""
    key, good, odd = LIMITS[id_]
    for value in (*good, *odd):
        settings.DATABASES = {**settings.DATABASES, "shard2-read1": {"ENGINE": ENGINE, key: value}}
        assert (f"django_schemas.{id_}" in found_ids(check_settings(None))) == (value in odd), value


def test_limit_beside_a_pool(settings: Any) -> None:
    """A pool has limits of its own."""
    pooled = {"ENGINE": ENGINE, "OPTIONS": {"pool": {"max_size": 4}}, "MAX_CONNECTIONS": 4}
    settings.DATABASES = {**settings.DATABASES, "shard2-read1": pooled}
    (found,) = (each for each in check_settings(None) if each.id == "django_schemas.E030")
    assert "max_size" in str(found.hint)


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

    assert found_ids(check_model(Lost)) == ["django_schemas.E011"]


@isolate_apps("tests.apps.garage")
def test_child_in_another_environment() -> None:
    """A child or a proxy lives where its parent's table is."""

    class Child(Owner):
        class Meta:
            app_label = "garage"
            db_environment = "registry"

    class Proxy(Owner):
        class Meta:
            app_label = "garage"
            db_environment = "registry"
            proxy = True

    # The child's key is a relation, too.
    assert found_ids(check_model(Child)) == ["django_schemas.E012", "django_schemas.E015"]
    assert found_ids(check_model(Proxy)) == ["django_schemas.E012"]


@isolate_apps("tests.apps.garage")
def test_hidden_methods() -> None:
    """Fields, relations from elsewhere and managers that hide our attributes."""

    class Hiding(models.Model):
        schema_name = models.CharField(max_length=9)
        inherit_db = models.ManyToManyField("self")
        set_db = models.Manager()

        class Meta:
            app_label = "garage"
            db_environment = "tenant"

    class Referring(models.Model):
        to = models.ForeignKey(Hiding, on_delete=models.CASCADE, related_name="auto_db")

        class Meta:
            app_label = "garage"
            db_environment = "tenant"

    messages = list(check_model(Hiding))
    assert found_ids(messages) == ["django_schemas.W013"] * 4
    assert [message.msg.split("'")[1] for message in messages] == ["auto_db", "inherit_db", "schema_name", "set_db"]
    assert list(check_model(Referring)) == []


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
    assert found_ids(check_model(model)) == expected


@pytest.mark.parametrize(
    ("environment", "target", "stray", "app"),
    [
        (None, Car, "leaflets.Referring", "tests.apps.leaflets"),
        ("tenant", Leaflet, "leaflets.Leaflet", "tests.apps.leaflets"),
    ],
)
@isolate_apps("tests.apps.garage", "tests.apps.leaflets")
def test_relation_to_none(environment: str | None, target: Any, stray: str, app: str) -> None:
    """Whichever side is in no environment is named, and the app that is to be listed."""
    options = {"app_label": "garage", "db_environment": environment} if environment else {"app_label": "leaflets"}
    model = type(
        "Referring",
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": type("Meta", (), options),
            "to": plain.ForeignKey(target, on_delete=plain.CASCADE, related_name="+"),
        },
    )
    (message,) = check_model(model)
    assert message.msg == (
        f"Relation to {target._meta.label} joins environment 'tenant' and {stray}, a model of no environment."
    )
    assert message.hint == (
        f"List {app!r} in APPS of an environment; a single-schema one may have SCHEMA_NAME 'public'."
    )


@isolate_apps("django.contrib.contenttypes", "django.contrib.auth", "tests.apps.garage", "tests.apps.platform")
def test_many_to_many_relations() -> None:
    """They lead where foreign keys may lead, since their table has two of these."""

    class Referring(models.Model):
        cars = models.ManyToManyField(Car, related_name="+")
        users = models.ManyToManyField(User, related_name="+")

        class Meta:
            app_label = "garage"
            db_environment = "depot"

    (message,) = check_model(Referring)
    assert (message.id, message.obj) == ("django_schemas.E016", Referring._meta.get_field("cars"))
    assert message.hint == "Put both models into one environment."


def test_roles_on_citus(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas that are distributed can't have roles; those of another database can."""
    logins = {"tenant": "serving"}
    monkeypatch.setattr("django_schemas.roles._logins", [lambda environment, db: logins.get(environment)])
    assert "django_schemas.E033" not in found_ids(check_settings(None))
    settings.DATABASES = {**settings.DATABASES, "shard2": {**settings.DATABASES["shard2"], "CITUS": True}}
    (message,) = [each for each in check_settings(None) if each.id == "django_schemas.E033"]
    assert ("'tenant'" in message.msg, "'shard2'" in message.msg) == (True, True)

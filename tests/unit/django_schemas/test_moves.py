"""A model that moves to another environment: what can be told from the migrations alone."""

from typing import Any

import pytest
from django.db import models as plain
from django.db.migrations.state import ModelState

from django_schemas.moves import check_moves, moved
from tests.apps.garage.models import Car, OldCar, Tag
from tests.apps.leaflets.models import Leaflet
from tests.apps.platform.models import Plan
from tests.apps.signs.models import Sign


def recorded(environment: str | None) -> ModelState:
    """A model as migrations that recorded this environment have it."""
    return ModelState("any", "Any", [], {"db_environment": environment} if environment else {})


@pytest.mark.parametrize(
    ("model", "before", "expected"),
    [
        (Car, "tenant", []),
        (Car, "registry", ["django_schemas.E024"]),
        (Car, "renamed", ["django_schemas.E024"]),
        (Car, None, ["django_schemas.W025"]),
        (Plan, "registry", []),
        (Plan, "tenant", ["django_schemas.E024"]),
        (Plan, None, ["django_schemas.W025"]),
        (Leaflet, None, []),
        (Leaflet, "tenant", ["django_schemas.E024"]),
        # Adopted: its migrations are those of its package, and a project may declare what was adopted before.
        (Sign, None, []),
        (Sign, "tenant", []),
        (Sign, "depot", ["django_schemas.E024"]),
        # Has no table of its own.
        (OldCar, "registry", []),
    ],
)
def test_moved(model: type[plain.Model], before: str | None, expected: list[str]) -> None:
    """A model that is elsewhere than its migrations recorded is told; one of which they know nothing is warned of."""
    messages = list(moved(model, recorded(before)))
    assert [message.id for message in messages] == expected
    assert all(message.hint and "Moving a model" in message.hint for message in messages)


def test_a_model_without_migrations_did_not_move() -> None:
    """There is nothing to compare it with."""
    assert list(moved(Car, None)) == []


def test_an_existing_project_starts_in_public(settings: Any) -> None:
    """Where the environment's schema is `public`, its tables are where they always were."""
    settings.DATABASE_ENVIRONMENTS = {**settings.DATABASE_ENVIRONMENTS, "registry": {"SCHEMA_NAME": "public"}}
    assert list(moved(Plan, recorded(None))) == []


def test_no_model_of_the_tests_moved() -> None:
    """The migrations on disk are compared with all models; no database is asked, which no unit test may."""
    assert check_moves(None, databases=["default"]) == []


def test_the_check_is_one_of_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a moment, so only commands that name a database run it."""
    monkeypatch.setattr(Tag._meta, "db_environment", "registry")
    assert [message.obj for message in check_moves(None, databases=["default"])] == [Tag]
    assert check_moves(None, databases=None) == []

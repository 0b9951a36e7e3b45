"""`tenant check`: what is wrong with tenants' schemas is found, and mended where nothing can be lost."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.migrations import migrate
from django_schemas.schemas import drop_schema, schema_exists
from tenancy.models import Tenant

pytestmark = pytest.mark.django_db(databases="__all__")


def run(sql: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql)


def check(*args: str) -> tuple[list[tuple[Any, ...]], bool]:
    """What is found, as JSON tells it, and whether the command fails."""
    out = StringIO()
    try:
        call_command("tenant", "check", *args, "--json", stdout=out, stderr=out)
        failed = False
    except CommandError:
        failed = True
    found = json.loads(out.getvalue())
    return [(row["slug"], row["kind"], row["subject"], row["mended"]) for row in found], failed


INDEX = "django_session_expire_date_a5c62663"


@pytest.fixture
def alone(tenants: Any, db: None) -> None:
    """Schemas that other tests' fixtures made for nobody are none of these tests' business."""
    for schema in ("acme", "globex"):
        run(f"COMMENT ON SCHEMA {schema} IS NULL")
    with connections["shard2"].cursor() as cursor:
        cursor.execute("COMMENT ON SCHEMA initech IS NULL")


def test_nothing_is_wrong(alone: None) -> None:
    """Tenants as they were made are as they should be, in both databases."""
    assert check("--all") == ([], False)


def test_the_one_tenant_is_named(alone: None) -> None:
    """What was changed in one tenant is told of that one; the exit tells that something is left."""
    run(f"DROP INDEX hooli.{INDEX}")
    run("ALTER TABLE hooli.garage_owner ADD COLUMN stray int")
    expected = [
        ("hooli", "missing", f"index django_session.{INDEX}", False),
        ("hooli", "extra", "column garage_owner.stray", False),
    ]
    assert check("--all") == (expected, True)
    assert check("vehement") == ([], False)


def test_fix(alone: None) -> None:
    """What is safe is mended, the rest is left and told; the second run finds the rest alone."""
    run(f"DROP INDEX hooli.{INDEX}")
    run("ALTER TABLE hooli.garage_owner ADD COLUMN stray int")
    stray = ("hooli", "extra", "column garage_owner.stray", False)
    assert check("hooli", "--fix") == ([("hooli", "missing", f"index django_session.{INDEX}", True), stray], True)
    assert check("hooli", "--fix") == ([stray], True)


def test_words(alone: None) -> None:
    """People are told what, where, and what to do."""
    run(f"DROP INDEX hooli.{INDEX}")
    out = StringIO()
    with pytest.raises(CommandError, match="1 finding is left"):
        call_command("tenant", "check", "hooli", stdout=out)
    assert out.getvalue().splitlines() == [
        f"hooli: missing index django_session.{INDEX}. "
        f"Expected: CREATE INDEX {INDEX} ON django_session USING btree (expire_date) Make it.",
        "1 tenant checked, 1 finding, 0 mended.",
    ]


def test_schema_that_is_gone(alone: None) -> None:
    """A tenant without its schema, or with somebody else's, is told, and nothing else of it."""
    drop_schema("default", "hooli")
    assert check("--all") == ([("hooli", "schema", "schema hooli", False)], True)
    migrate("default", schema="hooli", environment="tenant")
    found, _ = check("hooli")
    assert found == [("hooli", "schema", "schema hooli", False)]


@pytest.mark.parametrize("status", ["provisioning", "failed", "moving"])
def test_work_that_nobody_does(alone: None, status: str) -> None:
    """A tenant that was left half-way is told, with the command that goes on."""
    Tenant.objects.filter(slug="hooli").update(status=status)
    found, failed = check("--all")
    assert ([row[:2] for row in found], failed) == ([("hooli", "unfinished")], True)


def test_debris(alone: None) -> None:
    """Schemas of tenants that are gone, or of nobody, are told; what a check left of itself is dropped by `--fix`."""
    migrate("default", schema="nobodys", environment="tenant")
    migrate("default", schema="_check_left", environment="tenant")
    run("CREATE SCHEMA ghosts")
    run("COMMENT ON SCHEMA ghosts IS 'django_schemas: environment tenant; owner 0a'")
    hooli = Tenant.objects.get(slug="hooli")
    run("CREATE SCHEMA _moved_1")
    run(f"COMMENT ON SCHEMA _moved_1 IS 'django_schemas: environment tenant; owner {hooli.pk}'")
    found, _ = check("--all", "--fix")
    assert found == [
        (None, "scratch", "schema _check_left", True),
        ("hooli", "leftover", "schema _moved_1", False),
        (None, "debris", "schema ghosts", False),
        (None, "debris", "schema nobodys", False),
    ]
    assert [schema_exists("default", name) for name in ("_check_left", "_moved_1", "ghosts", "nobodys")] == [
        False,
        True,
        True,
        True,
    ]
    assert check("hooli") == ([], False)


def test_deleted_tenants_are_left_alone(alone: None) -> None:
    """A deleted tenant is in nobody's way until it is purged."""
    Tenant.objects.filter(slug="hooli").update(status="deleting")
    assert check("--all") == ([], False)

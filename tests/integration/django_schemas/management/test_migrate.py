"""`migrate`: Django's command, extended to the single-schema environments of the database."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.migrations import flush
from django_schemas.schemas import Mark, mark_of, schema_exists
from tests.apps.garage.witness import Place
from tests.integration.django_schemas.catalog import catalog, records, tables


def run(*arguments: Any, **options: Any) -> str:
    """Run the command and return what it said."""
    output = StringIO()
    call_command("migrate", *arguments, stdout=output, no_color=True, **options)
    return output.getvalue()


@pytest.fixture
def nothing_migrated(schemas: Any) -> list[Any]:
    """A database whose registry is gone, and the models of no environment too; what the registry was."""
    before = [catalog("default", "registry"), records("default", "registry")]
    with connections["default"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TABLE public.leaflets_leaflet")
        cursor.execute("DELETE FROM public.django_migrations")
    flush("default", "registry")
    return before


@pytest.fixture(autouse=True)
def _rolled_back() -> Any:
    """These tests change `public`, as they must: it is rolled back before it is looked at."""
    yield
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            connection.set_rollback(True)


def test_migrates_all_that_the_database_holds_once(nothing_migrated: list[Any]) -> None:
    """The models of no environment, then the registry; the schemas of tenants are left alone."""
    before = catalog("default", "acme"), records("default", "acme")
    said = run()
    assert [line for line in said.splitlines() if line.startswith("Migrating")] == [
        "Migrating database default, models of no environment:",
        "Migrating schema registry in default (registry):",
    ]
    assert [catalog("default", "registry"), records("default", "registry")] == nothing_migrated
    assert mark_of("default", "registry") == Mark("registry")
    assert "leaflets_leaflet" in tables("default", "public")
    assert records("default", "public") == {("leaflets", "0001_initial")}
    assert (catalog("default", "acme"), records("default", "acme")) == before


def test_second_run_does_nothing(schemas: Any) -> None:
    """It says that there is nothing to migrate."""
    assert run().count("Nothing to migrate.") == 2


def test_one_app(nothing_migrated: list[Any]) -> None:
    """An app is migrated wherever `migrate` migrates it."""
    run("leaflets")
    assert not schema_exists("default", "registry")
    run("platform")
    assert {app for app, _ in records("default", "registry")} == {"platform"}
    run("platform", "zero")
    assert records("default", "registry") == set()


@pytest.mark.parametrize(("app", "command"), [("garage", "`manage.py tenant migrate`"), ("depot", "migrate_schema")])
def test_app_of_a_multi_schema_environment(schemas: Any, app: str, command: str) -> None:
    """It is a CommandError that names the command to use: for the tenants' environment theirs."""
    with pytest.raises(CommandError, match=f"'{app}' has no models in what `migrate` migrates.*use {command}\\."):
        run(app)


def test_plan(nothing_migrated: list[Any]) -> None:
    """`--plan` shows both, and does nothing."""
    said = run(plan=True)
    assert "Apply leaflets.0001_initial" in said
    assert "Apply platform.0001_initial" in said
    assert "garage" not in said
    assert not schema_exists("default", "registry")
    assert "leaflets_leaflet" not in tables("default", "public")


def test_check(nothing_migrated: list[Any]) -> None:
    """`--check` exits with 1 if anything is to be done, and with 0 behind a run."""
    with pytest.raises(SystemExit) as caught:
        run(check_unapplied=True)
    assert caught.value.code == 1
    assert not schema_exists("default", "registry")
    run(verbosity=0)
    run(check_unapplied=True)


def test_fake(nothing_migrated: list[Any]) -> None:
    """`--fake` records, and makes nothing."""
    run("platform", fake=True)
    assert tables("default", "registry") == {"django_migrations"}
    assert records("default", "registry") == {("platform", "0001_initial")}


def test_database_of_tenants_only(initech: Place) -> None:
    """On a database without a single-schema environment it migrates the models of no environment."""
    before = catalog("shard2", "initech")
    assert run(database="shard2") == ("Migrating database shard2, models of no environment:\n  Nothing to migrate.\n")
    assert catalog("shard2", "initech") == before
    assert not schema_exists("shard2", "registry")


def test_prune_is_refused(schemas: Any) -> None:
    """`--prune`, which would look at the records of one app alone, is refused."""
    with pytest.raises(CommandError, match="--prune"):
        run("leaflets", prune=True)


def test_look_alikes_in_public_do_not_count(nothing_migrated: list[Any]) -> None:
    """Tables of the registry's names that stand in `public` are neither taken for its own nor changed."""
    assert "platform_plan" in tables("default", "public")
    before = [row for row in catalog("default", "public") if row[1] == "platform_plan"]
    run(verbosity=0)
    assert "platform_plan" in tables("default", "registry")
    assert [row for row in catalog("default", "public") if row[1] == "platform_plan"] == before

"""`migrate_schema`: what it does, says, and exits with."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.schemas import mark_of, schema_exists
from tests.apps.garage.models import Tag
from tests.apps.garage.witness import Place, seen
from tests.integration.django_schemas.catalog import catalog, integer_types, records, tables


def run(*arguments: Any, **options: Any) -> str:
    """Run the command and return what it said."""
    output = StringIO()
    call_command("migrate_schema", *arguments, stdout=output, no_color=True, **options)
    return output.getvalue()


def test_makes_a_schema(new_schema: str, acme: Place) -> None:
    """It makes and migrates the schema, and names it and each migration."""
    said = run("default", "--environment", "tenant", "--schema", new_schema)
    assert catalog("default", new_schema) == catalog("default", "acme")
    lines = said.splitlines()
    assert lines[0] == "Migrating schema workshop in default (tenant):"
    assert sum(" OK (" in line for line in lines) == len(records("default", new_schema))
    assert "Applying garage.0002_ledger... OK" in said
    assert "platform" not in said


def test_nothing_to_do(acme: Place) -> None:
    """A schema that is up to date is said to be."""
    assert run("default", "--environment", "tenant", "--schema", "acme") == (
        "Migrating schema acme in default (tenant):\n  Nothing to migrate.\n"
    )


def test_quiet(acme: Place, new_schema: str) -> None:
    """With verbosity 0 it says nothing."""
    assert run("default", "--schema", new_schema, verbosity=0) == ""
    assert schema_exists("default", new_schema)


def test_environment_may_be_left_out(new_schema: str) -> None:
    """Where the database hosts one multi-schema environment, or the schema is a declared one."""
    run("default", "--schema", new_schema)
    assert mark_of("default", new_schema) is not None
    assert run("default", "--schema", "registry").startswith("Migrating schema registry in default (registry):")
    assert run("default", "--environment", "registry").endswith("  Nothing to migrate.\n")


def test_several_schemas(new_schema: str, acme: Place) -> None:
    """`--schema` may be repeated: they are migrated in that order."""
    said = run("default", "--schema", "acme", "--schema", new_schema, "--schema", "globex")
    headings = [line for line in said.splitlines() if line.startswith("Migrating")]
    assert headings == [f"Migrating schema {name} in default (tenant):" for name in ("acme", new_schema, "globex")]


def test_plan(new_schema: str, acme: Place) -> None:
    """`--plan` shows what would be done, operations included, and does nothing."""
    said = run("default", "--schema", new_schema, "--plan")
    assert said.startswith("Planned for schema workshop in default (tenant):\n")
    assert "  Apply garage.0001_initial\n    Create model Car\n" in said
    assert not schema_exists("default", new_schema)
    assert run("default", "--schema", "acme", "--plan") == (
        "Planned for schema acme in default (tenant):\n  Nothing to migrate.\n"
    )


def test_check(new_schema: str, acme: Place) -> None:
    """`--check` exits with 1 if anything is to be done to any of the schemas, and does nothing."""
    run("default", "--schema", "acme", "--schema", "globex", "--check")
    for arguments in (["--schema", new_schema], ["--schema", "acme", "--schema", new_schema]):
        with pytest.raises(SystemExit) as caught:
            run("default", *arguments, "--check")
        assert caught.value.code == 1
    assert not schema_exists("default", new_schema)


def test_check_and_plan(new_schema: str) -> None:
    """Both together show and exit."""
    output = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("migrate_schema", "default", schema=[new_schema], check=True, plan=True, stdout=output)
    assert (caught.value.code, "Apply garage.0001_initial" in output.getvalue()) == (1, True)


def test_fake(new_schema: str, acme: Place) -> None:
    """`--fake` records the migrations and makes none of their tables."""
    said = run("default", "--schema", new_schema, "--fake", "signs")
    assert "signs.0001_initial... FAKED" in said
    assert tables("default", new_schema) == {"django_migrations"}
    assert records("default", new_schema) == {("signs", "0001_initial"), ("signs", "0002_first_signs")}


def test_one_app_and_one_migration(new_schema: str) -> None:
    """An app, up to a migration that is named by its beginning, then the rest, then back."""
    run("default", "signs", "0001", "--schema", new_schema)
    assert records("default", new_schema) == {("signs", "0001_initial")}
    run("default", "signs", "--schema", new_schema)
    assert records("default", new_schema) == {("signs", "0001_initial"), ("signs", "0002_first_signs")}
    assert "Take back signs.0002_first_signs" in run("default", "signs", "0001", "--schema", new_schema, "--plan")
    said = run("default", "signs", "0001", "--schema", new_schema)
    assert "  Taking back signs.0002_first_signs... OK" in said
    assert records("default", new_schema) == {("signs", "0001_initial")}


def test_back_to_zero(acme: Place) -> None:
    """'zero' takes all migrations of an app back, in this schema alone; and they can be run again."""
    neighbours = catalog("default", "globex"), catalog("default", "public")
    run("default", "garage", "zero", "--schema", "acme")
    assert {table for table in tables("default", "acme") if table.startswith("garage")} == set()
    assert records("default", "acme") == {key for key in records("default", "globex") if key[0] != "garage"}
    assert (catalog("default", "globex"), catalog("default", "public")) == neighbours
    run("default", "--schema", "acme")
    assert catalog("default", "acme") == catalog("default", "globex")


def test_back_to_zero_of_an_app_that_others_need(acme: Place) -> None:
    """What needs it is taken back first, if it is of the environment."""
    run("default", "contenttypes", "zero", "--schema", "acme")
    assert {app for app, _ in records("default", "acme")} == {"sessions", "signs", "sites"}


def test_big_ints(new_schema: str) -> None:
    """`--big-ints` widens the columns and says how many tables and which; a second time there are none."""
    said = run("default", "--schema", new_schema, "--big-ints")
    assert "garage_badge (id, number, user_id, plan_id)" in said
    assert integer_types("default", new_schema) == {"bigint", "smallint"}
    again = run("default", "--schema", new_schema, "--big-ints")
    assert "64-bit integers in default.workshop: 0 changed" in again


def test_big_ints_with_plan_changes_nothing(acme: Place) -> None:
    """With `--plan` or `--check` nothing is widened."""
    run("default", "--schema", "acme", "--big-ints", "--plan")
    run("default", "--schema", "acme", "--big-ints", "--check")
    assert "integer" in integer_types("default", "acme")


def test_adopt(new_schema: str) -> None:
    """A schema that somebody else made is refused, and taken over with `--adopt`; what is in it stays."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {new_schema}")
        cursor.execute(f"CREATE TABLE {new_schema}.precious AS SELECT 1 AS row")
    with pytest.raises(CommandError, match=r"was not made by django_schemas.*--adopt"):
        run("default", "--schema", new_schema)
    assert tables("default", new_schema) == {"precious"}
    run("default", "--schema", new_schema, "--adopt")
    assert mark_of("default", new_schema) is not None
    assert tables("default", new_schema) == tables("default", "acme") | {"precious"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["default"], "Say which schema"),
        (["default", "--environment", "tenant"], "Say which schema of tenant"),
        (["default", "--schema", "Workshop"], "is not valid"),
        (["default", "--schema", "public"], "is reserved"),
        (["default", "--schema", "workshop", "--environment", "tennant"], "is not in DATABASE_ENVIRONMENTS"),
        (["default", "--schema", "workshop", "--environment", "depot"], "does not host 'depot'"),
        (["default-read1", "--schema", "workshop"], "is a replica"),
        (["default", "platform", "--schema", "workshop"], "App 'platform' has no migrations for schema workshop"),
        (["default", "nothing", "--schema", "workshop"], "No installed app with label 'nothing'"),
        (["default", "garage", "0009", "--schema", "workshop"], "No migration of 'garage' begins with '0009'"),
        (["default", "garage", "000", "--schema", "workshop"], "More than one migration of 'garage' begins with"),
        (["nowhere", "--schema", "workshop"], "invalid choice"),
    ],
)
def test_errors(arguments: list[str], message: str, schemas: Any) -> None:
    """What can't be done is a CommandError that says why, and nothing is made."""
    if arguments[0] not in connections.settings and arguments[0] != "nowhere":
        pytest.skip("there is no replica")
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    for name in ("workshop", "Workshop"):
        assert not schema_exists("default", name)


def test_failing_migration(new_schema: str, write_migrations: Any) -> None:
    """An error of a migration comes through, and there is no half-made schema."""
    write_migrations(
        _0003_fail="""
        class Migration(migrations.Migration):
            operations = [migrations.RunPython(lambda apps, editor: 1 / 0)]
        """
    )
    with pytest.raises(ZeroDivisionError):
        run("default", "--schema", new_schema)
    assert not schema_exists("default", new_schema)


def test_context_around_it_does_not_matter(new_schema: str, globex: Place) -> None:
    """The schema that is named is migrated, whatever is active."""
    with globex.active():
        run("default", "--schema", new_schema)
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("migrated", "")]
    assert globex(Tag).objects.filter(name="migrated").count() == 1

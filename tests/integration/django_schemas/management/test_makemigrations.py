"""`makemigrations`: checks the records of migrations where they are, and finds no gaps where there are none."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory

from django_schemas import schema_cursor
from tests.apps.garage.witness import Place


def run() -> str:
    """Run the command, which must change nothing, and return what it said."""
    output = StringIO()
    call_command("makemigrations", dry_run=True, stdout=output, no_color=True)
    return output.getvalue()


def test_records_of_public_are_not_those_of_environments(acme: Place) -> None:
    """`public`, where an environment's records are not, may hold what looks like a gap."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.django_migrations (app, name, applied) VALUES ('garage', '0002_ledger', now())"
        )
    with acme.active():
        assert run() == "No changes detected\n"
    assert run() == "No changes detected\n"
    transaction.set_rollback(True, using="default")


def test_gap_in_a_single_schema(schemas: Any) -> None:
    """A gap in the records of a single-schema environment is an error."""
    with schema_cursor("default", "registry") as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'signs' AND name = '0001_initial'")
    with pytest.raises(InconsistentMigrationHistory, match=r"signs\.0002_first_signs .* in default\.registry"):
        run()


def test_database_that_is_down(schemas: Any) -> None:
    """Migrations can be made all the same; a warning says that nothing could be checked."""
    connection = connections["shard2"]
    broken = connection.copy()
    broken.settings_dict = {**connection.settings_dict, "PORT": "1"}
    connections["shard2"] = broken
    try:
        with pytest.warns(RuntimeWarning, match="The records of migrations in 'shard2' can't be checked"):
            assert run() == "No changes detected\n"
    finally:
        connections["shard2"] = connection

"""`inspectdb` and `showmigrations`: they look into the active schema."""

from io import StringIO

from django.core.management import call_command
from django.db import connections

from django_schemas import schema_cursor
from tests.apps.garage.witness import Place


def output(*command: str) -> str:
    """What a command of Django's writes."""
    written = StringIO()
    call_command(*command, stdout=written, no_color=True)
    return written.getvalue()


def test_inspectdb_shows_the_tables_of_the_active_schema(acme: Place, globex: Place) -> None:
    with schema_cursor(acme.db, acme.schema) as cursor:
        cursor.execute("CREATE TABLE only_acme (id integer PRIMARY KEY)")

    with acme.active():
        assert "class OnlyAcme(" in output("inspectdb")
    with globex.active():
        assert "class OnlyAcme(" not in output("inspectdb")


def test_inspectdb_goes_on_behind_what_it_may_not_read(acme: Place) -> None:
    """A table that can't be read is named, and the others are shown, though all is one transaction."""
    with connections[acme.db].cursor() as cursor:
        cursor.execute("CREATE ROLE looker")
        cursor.execute("GRANT USAGE ON SCHEMA acme TO looker")
        cursor.execute("GRANT SELECT ON acme.garage_tag TO looker")
        cursor.execute("SET LOCAL ROLE looker")
        with acme.active():
            written = output("inspectdb", "garage_owner", "garage_tag")
        cursor.execute("RESET ROLE")
        cursor.execute("DROP OWNED BY looker; DROP ROLE looker")
    assert "# Unable to inspect table 'garage_owner'" in written
    assert "class GarageTag(" in written


def test_showmigrations_shows_the_records_of_the_active_schema(acme: Place, globex: Place) -> None:
    with schema_cursor(acme.db, acme.schema) as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'garage' AND name = '0002_ledger'")

    with acme.active():
        assert " [ ] 0002_ledger" in output("showmigrations", "garage")
    with globex.active():
        assert " [X] 0002_ledger" in output("showmigrations", "garage")

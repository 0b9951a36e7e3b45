"""`inspectdb` and `showmigrations`: they look into the active schema."""

from io import StringIO

from django.core.management import call_command

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


def test_showmigrations_shows_the_records_of_the_active_schema(acme: Place, globex: Place) -> None:
    with schema_cursor(acme.db, acme.schema) as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'garage' AND name = '0002_ledger'")

    with acme.active():
        assert " [ ] 0002_ledger" in output("showmigrations", "garage")
    with globex.active():
        assert " [X] 0002_ledger" in output("showmigrations", "garage")

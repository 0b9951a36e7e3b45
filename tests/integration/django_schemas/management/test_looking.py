"""`inspectdb` and `showmigrations`: they look into the active schema, or into what the database holds once."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections, transaction

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


def shown(*command: str) -> dict[str, list[str]]:
    """The lines of each target that `showmigrations` shows."""
    found: dict[str, list[str]] = {}
    for line in output("showmigrations", *command).splitlines():
        if line.endswith(":"):
            lines = found[line[:-1]] = []
        else:
            lines.append(line)
    return found


NONE, REGISTRY = "database default, models of no environment", "schema registry in default (registry)"


@pytest.fixture
def behind(acme: Place) -> Iterator[None]:
    """The registry lacks a migration of signs, `public` has recorded none of the registry's."""
    with schema_cursor("default", "registry") as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'signs' AND name = '0002_first_signs'")
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM public.django_migrations WHERE app <> 'leaflets'")
    yield
    transaction.set_rollback(True, using="default")


def test_showmigrations_shows_what_the_database_holds_once(behind: None) -> None:
    """Each target with its own apps and records; apps of tenants are not shown, for there is no schema to look into."""
    found = shown()
    assert list(found) == [NONE, REGISTRY]
    assert found[NONE] == ["leaflets", " [X] 0001_initial"]
    apps = [line for line in found[REGISTRY] if not line.startswith(" ")]
    assert apps == ["admin", "auth", "contenttypes", "platform", "sessions", "signs", "sites", "tenancy"]
    assert [line for line in found[REGISTRY] if "[ ]" in line] == [" [ ] 0002_first_signs"]


def test_showmigrations_of_apps(behind: None) -> None:
    """An app is shown where it has models; one of tenants alone has no migrations here."""
    assert shown("signs", "leaflets") == {
        NONE: ["leaflets", " [X] 0001_initial"],
        REGISTRY: ["signs", " [X] 0001_initial", " [ ] 0002_first_signs"],
    }
    assert output("showmigrations", "garage") == "(no migrations)\n"
    with pytest.raises(SystemExit):
        output("showmigrations", "nonsense")


def test_showmigrations_as_a_plan(behind: None) -> None:
    """In the order of the migrations, with what each needs if one asks for more."""
    found = shown("--plan")
    assert found[NONE] == ["[X]  leaflets.0001_initial"]
    assert [line for line in found[REGISTRY] if line.startswith("[ ]")] == ["[ ]  signs.0002_first_signs"]
    assert shown("--plan", "signs", "-v2")[REGISTRY] == [
        "[X]  signs.0001_initial",
        "[ ]  signs.0002_first_signs ... (signs.0001_initial)",
    ]


def test_showmigrations_of_the_active_schema(acme: Place) -> None:
    """It shows the apps of the schema's environment and no others."""
    with acme.active():
        found = shown()
        plan = shown("--plan")
    assert list(found) == list(plan) == ["schema acme in default (tenant)"]
    lines = found["schema acme in default (tenant)"]
    assert [line for line in lines if not line.startswith(" ")] == [
        "admin",
        "auth",
        "contenttypes",
        "garage",
        "sessions",
        "signs",
        "sites",
    ]
    assert [line for line in [*lines, *plan["schema acme in default (tenant)"]] if "[ ]" in line] == []


def test_sqlsequencereset_names_the_active_schema(acme: Place, globex: Place) -> None:
    """What `sqlsequencereset` prints sets the sequences of the active schema, and of no other."""
    with connections[acme.db].cursor() as cursor:
        cursor.execute("SELECT setval('acme.garage_owner_id_seq', 77), setval('globex.garage_owner_id_seq', 77)")
        with acme.active():
            cursor.execute(output("sqlsequencereset", "garage"))
        cursor.execute("SELECT nextval('acme.garage_owner_id_seq'), nextval('globex.garage_owner_id_seq')")
        assert cursor.fetchone() == (3, 78)

"""The schema editor: outside of a migration it means the active schema; extensions go where all schemas find them."""

from typing import Any

from django.db import connection, models

from django_schemas.migrations import migrate
from tests.apps.garage.models import Car
from tests.apps.garage.witness import Place


def indexes(place: Place) -> set[str]:
    """Names of the indexes and constraints of the cars' table in a place."""
    with place.active(), connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, Car._meta.db_table))


def test_an_index_is_dropped_in_the_active_schema_alone(acme: Place, globex: Place) -> None:
    index = models.Index(fields=["name"], name="car_name_idx")
    for place in (acme, globex):
        with place.active(), connection.schema_editor() as editor:
            editor.add_index(Car, index)

    with acme.active(), connection.schema_editor() as editor:
        editor.remove_index(Car, index)

    assert "car_name_idx" not in indexes(acme)
    assert "car_name_idx" in indexes(globex)


def test_an_index_is_renamed_in_the_active_schema_alone(acme: Place, globex: Place) -> None:
    index = models.Index(fields=["name"], name="car_name_idx")
    for place in (acme, globex):
        with place.active(), connection.schema_editor() as editor:
            editor.add_index(Car, index)

    with acme.active(), connection.schema_editor() as editor:
        editor.rename_index(Car, index, models.Index(fields=["name"], name="car_title_idx"))

    assert indexes(acme) - indexes(globex) == {"car_title_idx"}
    assert indexes(globex) - indexes(acme) == {"car_name_idx"}


def test_an_extension_of_a_migration_is_not_made_in_the_schema(new_schema: str, write_migrations: Any) -> None:
    write_migrations(
        _0003_extension="""
        from django.contrib.postgres.operations import CreateExtension

        class Migration(migrations.Migration):
            operations = [CreateExtension("citext")]
        """
    )

    migrate("default", schema=new_schema, environment="tenant")

    with connection.cursor() as cursor:
        cursor.execute("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'citext'")
        assert cursor.fetchone() == ("public",)

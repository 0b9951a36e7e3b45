"""Operations and introspection: the SQL that Django writes beside the ORM means one schema, and no other."""

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

from django_schemas import schema_cursor
from django_schemas.exceptions import NoActiveSchema
from django_schemas.migrations import migrate
from tests.apps.garage.models import Car, Tag
from tests.apps.garage.witness import Place, seen
from tests.apps.platform.models import Plan


def next_pk(place: Place, model: type[Model]) -> int:
    """The key that the next row of a model gets in a place."""
    with schema_cursor(place.db, place.schema) as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [model._meta.db_table])
        (pk,) = cursor.fetchone()
        return int(pk)


def test_flush_empties_the_active_schema_alone(acme: Place, globex: Place) -> None:
    cars, plans = seen(globex(Car).objects.all()), Plan.objects.count()

    with acme.active():
        call_command("flush", interactive=False, verbosity=0)

    assert (acme(Car).objects.count(), acme(Tag).objects.count()) == (0, 0)
    assert seen(globex(Car).objects.all()) == cars
    assert Plan.objects.count() == plans > 0


def test_flush_makes_the_content_types_of_the_active_schema_anew(acme: Place) -> None:
    from django.contrib.contenttypes.models import ContentType

    with acme.active():
        call_command("flush", interactive=False, verbosity=0)
        assert ContentType.objects.filter(app_label="garage", model="car").exists()


def test_without_a_placement_flush_does_not_name_a_multi_schema_table() -> None:
    (sql,) = connection.ops.sql_flush(no_style(), connection.introspection.django_table_names(only_existing=True))

    assert '"registry"."platform_plan"' in sql
    assert "garage_car" not in sql


@pytest.fixture
def fresh(globex: Place) -> Place:
    """A schema of the test's own: what is done to sequences is not rolled back, but this schema is."""
    migrate("default", schema="fresh", environment="tenant")
    return Place("default", "fresh")


def test_a_sequence_is_set_in_the_active_schema_alone(fresh: Place, globex: Place) -> None:
    before = next_pk(globex, Tag)
    fresh(Tag).objects.create(pk=5000, name="far")

    with fresh.active(), connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_sql(no_style(), [Tag]):
            cursor.execute(sql)

    assert next_pk(fresh, Tag) == 5001
    assert next_pk(globex, Tag) == before + 1


def test_sequences_begin_anew_in_the_active_schema_alone(fresh: Place, globex: Place) -> None:
    before = next_pk(globex, Tag)

    with fresh.active(), connection.cursor() as cursor:
        for sql in connection.ops.sequence_reset_by_name_sql(no_style(), connection.introspection.sequence_list()):
            cursor.execute(sql)

    assert next_pk(fresh, Tag) == 1
    assert next_pk(globex, Tag) == before + 1


def test_a_table_of_an_environment_is_introspected_in_its_schema(acme: Place) -> None:
    with schema_cursor(acme.db, acme.schema) as cursor:
        cursor.execute("ALTER TABLE garage_tag ADD COLUMN acme_only integer CHECK (acme_only > 0)")

    def columns() -> set[str]:
        with connection.cursor() as cursor:
            return {column.name for column in connection.introspection.get_table_description(cursor, table)}

    table: Any = Tag._meta.db_table
    with acme.active(), connection.cursor() as cursor:
        assert "acme_only" in columns()
        assert "garage_tag_acme_only_check" in connection.introspection.get_constraints(cursor, table)
    with Place("default", "globex").active():
        assert "acme_only" not in columns()


def test_nothing_is_introspected_while_nothing_says_where() -> None:
    with connection.cursor() as cursor, pytest.raises(NoActiveSchema, match="garage_tag"):
        connection.introspection.get_constraints(cursor, Tag._meta.db_table)

"""Several migrations in one transaction: structure can be changed behind rows, as where each has its own."""

from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from django_schemas.alias import SchemaAlias
from django_schemas.migrations import migrate
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from tests.integration.django_schemas.catalog import catalog, records

PARKED = """
    def park(apps, schema_editor):
        owner = apps.get_model("garage", "Owner").objects.create(name="valet", witness="")
        apps.get_model("garage", "Car").objects.create(owner=owner, name="hearse", witness="")

    class Migration(migrations.Migration):
        operations = [migrations.RunPython(park, migrations.RunPython.noop)]
"""
FILLED = """
    def fill(apps, schema_editor):
        for car in apps.get_model("garage", "Car").objects.all():
            car.fee = 5
            car.save()

    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("Car", "fee", models.IntegerField(null=True)),
            {fill},
            {change},
        ]
"""
FILLS = ["migrations.RunPython(fill)", 'migrations.RunSQL("/* cars */ UPDATE garage_car SET fee = 5")']
CHANGES = [
    'migrations.AlterField("Car", "fee", models.IntegerField())',
    'migrations.AddField("Car", "tax", models.IntegerField(null=True, db_index=True))',
    'migrations.RunSQL("ALTER TABLE garage_car ALTER fee SET NOT NULL")',
]


def fees(schema: str) -> Any:
    with connections["default"].cursor() as cursor:
        cursor.execute(f'SELECT fee FROM "{schema}".garage_car')
        return cursor.fetchall()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("fill", FILLS)
def test_structure_is_changed_behind_rows(fill: str, change: str, new_schema: str, write_migrations: Any) -> None:
    """PostgreSQL alters no table whose rows wait for a deferred constraint, and those that were made in the same
    transaction wait even if nothing changed that it looks at. Migrated each for itself, they don't.
    """
    migrate("default", schema=new_schema, environment="tenant")
    write_migrations(_0003_parked=PARKED, _0004_filled=FILLED.format(fill=fill, change=change))
    migrate("default", schema=new_schema, environment="tenant")
    made = [SchemaAlias("default", f"{new_schema}_{number}", "tenant") for number in range(3)]
    for alias in made:
        migrate_target(target_of(alias))
        assert catalog("default", alias.schema) == catalog("default", new_schema)
        assert fees(alias.schema) == [(5,)]


DANGLING = """
    class Migration(migrations.Migration):
        operations = [
            migrations.RunSQL("INSERT INTO garage_car (name, witness, owner_id) VALUES ('early', '', 77)"),
            {between}
            migrations.RunSQL("INSERT INTO garage_owner (id, name, witness) VALUES (77, 'late', '')"),
        ]
"""


def test_rows_may_wait_for_each_other(new_schema: str, write_migrations: Any) -> None:
    """A row may come before the one that it refers to, as long as no structure is changed in between."""
    write_migrations(_0003_parked=PARKED, _0004_dangling=DANGLING.format(between=""))
    migrate("default", schema=new_schema, environment="tenant")
    assert ("garage", "0004_dangling") in records("default", new_schema)


def test_rows_that_refer_to_nothing(new_schema: str, write_migrations: Any) -> None:
    """What is wrong is told by the migration that made it, and nothing is left."""
    write_migrations(_0003_dangling=DANGLING.format(between="").replace("(77, ", "(78, "))
    with pytest.raises(IntegrityError, match="violates foreign key"), transaction.atomic(using="default"):
        migrate("default", schema=new_schema, environment="tenant")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s)", [new_schema])
        assert cursor.fetchone() == (None,)

"""Fields that are renamed while others point at them: each schema of a process is migrated from the same beginning."""

from typing import Any

import pytest

from django_schemas.alias import SchemaAlias
from django_schemas.migrations import migrate
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from tests.integration.django_schemas.catalog import catalog

ADDED = """
    class Migration(migrations.Migration):
        operations = [
            migrations.CreateModel(
                "Plate",
                [
                    ("id", models.AutoField(primary_key=True)),
                    ("code", models.CharField(max_length=9, unique=True)),
                ],
            ),
            migrations.AddField(
                "Lot", "plate", models.ForeignKey("garage.plate", models.CASCADE, to_field="code", null=True)
            ),
        ]
"""
RENAMED = """
    class Migration(migrations.Migration):
        operations = [{operation}]
"""
OPERATIONS = [
    'migrations.RenameField("Plate", "code", "number")',
    'migrations.SeparateDatabaseAndState([migrations.RenameField("Plate", "code", "number")], '
    '[migrations.RenameField("Plate", "code", "number")])',
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("blueprint", [False, True])
def test_field_that_another_points_at(blueprint: bool, operation: str, new_schema: str, write_migrations: Any) -> None:
    """Django changes the field that points at it in place, which is the migration's own: the second schema that a
    process made, or migrated, found there the new name where it needed the old one.
    """
    write_migrations(_0003_plate=ADDED, _0004_number=RENAMED.format(operation=operation))
    first, second = SchemaAlias("default", new_schema, "tenant"), SchemaAlias("shard2", new_schema, "tenant")
    migrate_target(target_of(first), blueprint=blueprint)
    migrate_target(target_of(second), blueprint=blueprint)
    assert catalog("shard2", new_schema) == catalog("default", new_schema)
    migrate("default", schema="acme", environment="tenant")
    migrate("default", schema="globex", environment="tenant")
    assert catalog("default", "acme") == catalog("default", "globex") == catalog("default", new_schema)

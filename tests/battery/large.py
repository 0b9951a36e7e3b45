"""Write an app of many tables and migrations: `python -m tests.battery.large FOLDER [TABLES] [MIGRATIONS]`.

A third of the tables have rows, which later migrations of theirs meet. Knows nothing of schemas, and needs no database.
"""

import sys
from pathlib import Path

__all__ = ["APP", "write_app"]

APP = "large"

_MODEL = """

class Item{number}(models.Model):
    name = models.CharField(max_length=100, unique=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    made_at = models.DateTimeField(null=True, db_index=True)
    parent = models.ForeignKey("Item{parent}", models.CASCADE, null=True)
"""
_CREATE = """
        migrations.CreateModel(
            "Item{number}",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=100, unique=True)),
                ("amount", models.DecimalField(max_digits=12, decimal_places=2, default=0)),
                ("made_at", models.DateTimeField(null=True, db_index=True)),
                ("parent", models.ForeignKey("{app}.item{parent}", models.CASCADE, null=True)),
            ],
        ),"""
_FILL = """
        migrations.RunSQL("INSERT INTO {app}_item{number} (name, amount) VALUES ('a', 1), ('b', 2)", ""),"""
# One after the other, for one table after the other; each takes back what the models do not have.
_CHANGES = (
    'migrations.AddField("item{number}", "rank", models.IntegerField(default=3, db_index=True))',
    'migrations.AddIndex("item{number}", models.Index(fields=["name", "amount"], name="item{number}_name"))',
    'migrations.AlterField("item{number}", "amount", models.DecimalField(max_digits=14, decimal_places=2, default=0))',
    "migrations.RunPython(double)",
    'migrations.AddConstraint("item{number}", models.CheckConstraint(condition=models.Q(amount__gte=0), '
    'name="item{number}_amount"))',
    'migrations.AlterUniqueTogether("item{number}", {{("name", "made_at")}})',
    'migrations.RunSQL("UPDATE {app}_item{number} SET amount = amount + 1", "")',
)
_MIGRATION = """from django.db import migrations, models


def double(apps, schema_editor):
    for item in apps.get_model("{app}", "Item{number}").objects.order_by("id"):
        item.amount *= 2
        item.save()


class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [{operations}
    ]
"""

# So that all are recorded in the same order, whatever is migrated first.
_BEFORE = [("auth", "0012_alter_user_first_name_max_length"), ("contenttypes", "0002_remove_content_type_name")]


def write_app(folder: Path, tables: int = 200, migrations: int = 300) -> None:
    """Write the app into a folder that is on Python's path; its models are those of the last state but for changes.

    Args:
        folder: where the package `large` is made.
        tables: each is made by a migration of its own.
        migrations: in all; those that are left change one table each.
    """
    package = folder / APP
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "__init__.py").touch()
    models = (_MODEL.format(number=number, parent=_parent(number)) for number in range(tables))
    (package / "models.py").write_text("from django.db import models\n" + "".join(models))
    for position in range(migrations):
        before = [(APP, _name(position - 1))] if position else _BEFORE
        number = position % tables
        text = _MIGRATION.format(
            app=APP, number=number, dependencies=before, operations=_operations(position, number, tables)
        )
        (package / "migrations" / f"{_name(position)}.py").write_text(text)


def _operations(position: int, number: int, tables: int) -> str:
    values = {"app": APP, "number": number, "parent": _parent(number)}
    if position < tables:
        return _CREATE.format(**values) + _FILL.format(**values) * (number % 3 == 0)
    return f"\n        {_CHANGES[(position - tables) % len(_CHANGES)].format(**values)},"


def _name(position: int) -> str:
    return f"{position + 1:04}_step"


def _parent(number: int) -> int:
    """The table that it refers to: of ten the first, and that to itself."""
    return number - number % 10


if __name__ == "__main__":
    write_app(Path(sys.argv[1]), *map(int, sys.argv[2:]))

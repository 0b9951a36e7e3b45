"""Provisioning of a large environment, whose app is written by a script: by migrating, by blueprint, and the limit."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from . import provisioning
from .arena import Arena
from .databases import Databases
from .figures import Figure

__all__ = ["measure"]

APP = "large_app"
GROUP = 10
"""Tables that refer to the same one."""

_MODEL = """
class Model{number}(models.Model):
    name = models.CharField(max_length=100, unique=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    made_at = models.DateTimeField(auto_now_add=True)
{more}
"""
_REFERENCE = "    parent = models.ForeignKey('Model{hub}', models.CASCADE)\n"
_ADDED = "    rank = models.IntegerField(default=0, db_index=True)\n"
_MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [{operation}]
"""
_CREATE = """migrations.CreateModel("Model{number}", [
    ("id", models.BigAutoField(primary_key=True, serialize=False, auto_created=True, verbose_name="ID")),
    ("name", models.CharField(max_length=100, unique=True)),
    ("amount", models.DecimalField(max_digits=12, decimal_places=2, default=0)),
    ("made_at", models.DateTimeField(auto_now_add=True)),
    {parent}
])"""
_PARENT = '("parent", models.ForeignKey("Model{hub}", models.CASCADE)),'
_ADD = 'migrations.AddField("Model{number}", "rank", models.IntegerField(default=0, db_index=True))'


def measure(databases: Databases, tables: int, migrations: int, repeats: int) -> Iterator[Figure]:
    """Write the app, and make tenants with its tables.

    Args:
        databases: makes the one for it.
        tables: one migration makes each.
        migrations: in all; those that are left add a column to a table each. At most two for each table.
        repeats: rounds, of one tenant in each way.
    """
    with TemporaryDirectory() as folder:
        write_app(Path(folder) / APP, tables, migrations)
        environment = {"BENCH_APPS": APP, "PYTHONPATH": folder}
        with Arena(databases, "large", environment=environment) as arena:
            for found in provisioning.measure(arena, 1, repeats, each=1):
                yield Figure("large", found.task, found.contender, found.values, schemas=1)


def write_app(package: Path, tables: int, migrations: int) -> None:
    """Write an app of that many models and migrations."""
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "__init__.py").touch()
    added = migrations - tables
    models = [
        _MODEL.format(
            number=number, more=_ADDED * (number < added) + _REFERENCE.format(hub=_hub(number)) * bool(number % GROUP)
        )
        for number in range(tables)
    ]
    (package / "models.py").write_text("from django.db import models\n" + "".join(models))
    operations = [
        _CREATE.format(number=number, parent=_PARENT.format(hub=_hub(number)) if number % GROUP else "")
        for number in range(tables)
    ] + [_ADD.format(number=number) for number in range(added)]
    for number, operation in enumerate(operations):
        dependencies = [(APP, f"{number - 1:04}_step")] if number else []
        text = _MIGRATION.format(dependencies=dependencies, operation=operation)
        (package / "migrations" / f"{number:04}_step.py").write_text(text)


def _hub(number: int) -> int:
    return number - number % GROUP

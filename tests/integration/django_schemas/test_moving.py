"""The two ways to move a model to another environment, as the reference has them, in a project of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

DATABASE = "test_app_moving"

_SETTINGS = """
DATABASES = {{"default": {database}}}
DATABASE_ENVIRONMENTS = {environments}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
INSTALLED_APPS = ["django_schemas", "library"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = "for tests only"
"""

# What every script begins with.
_BEGINNING = """
import django

django.setup()
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django_schemas import schema_context
from library.models import *

def manage(*command, **options):
    # With the system checks, as manage.py does.
    try:
        call_command(*command, skip_checks=False, **options)
    except SystemCheckError as error:
        print(error)

def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None

"""

# {meta} names the environment.
_LIBRARY = """
from django_schemas import models

class Shelf(models.Model):
    name = models.CharField(max_length=20)
    class Meta:
        {meta}

class Book(models.Model):
    title = models.CharField(max_length=20)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)
    like = models.ManyToManyField("self")
    class Meta:
        {meta}
"""

_START = """
manage("makemigrations", "library")
manage("migrate")
book = Book.objects.create(title="first", shelf=Shelf.objects.create(name="top"))
book.like.add(Book.objects.create(title="second", shelf=book.shelf))
"""

# From schema {before} to {schema}, which {option} names for migrate_schema.
_MOVE = """
manage("migrate_schema", "default", "{option}", "library", "--fake")
for table in ("library_shelf", "library_book", "library_book_like"):
    sql(f"ALTER TABLE {before}.{{table}} SET SCHEMA {schema}")
manage("migrate_schema", "default", "{option}")
with schema_context("default", "{schema}"):
    Book.objects.create(title="new", shelf=Shelf.objects.get(name="top"))
    for book in Book.objects.order_by("pk"):
        print(book.pk, book.title, book.shelf.name, [each.title for each in book.like.all()])
"""
MOVED = """\
  Nothing to migrate.
1 first top ['second']
2 second top ['first']
3 new top []
"""


class Project:
    """A project in a folder, whose settings and models change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "library" / "migrations").mkdir(parents=True)
        for package in ("library", "library/migrations"):
            (folder / package / "__init__.py").touch()

    def write(self, models: str, **environments: dict[str, Any]) -> None:
        """Write the settings, with all environments in the one database, and the models."""
        server = connections["default"].settings_dict
        database = {name: server[name] for name in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT")}
        database |= {"NAME": DATABASE, "ENVIRONMENTS": list(environments)}
        (self.folder / "settings.py").write_text(_SETTINGS.format(database=database, environments=environments))
        (self.folder / "library" / "models.py").write_text(models)

    def correct(self, wrong: str, right: str) -> None:
        """Replace text in the first migration, which makes two models."""
        migration = self.folder / "library" / "migrations" / "0001_initial.py"
        text = migration.read_text()
        assert text.count(wrong) == 2
        migration.write_text(text.replace(wrong, right))

    def run(self, script: str) -> str:
        """Run a script in a new process, and return what it says."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(Path(__file__).resolve().parents[3])]),
        }
        command = [sys.executable, "-c", _BEGINNING + script]
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(command, cwd=self.folder, env=environment, check=False, **streams)
        assert done.returncode == 0, done.stdout
        return str(done.stdout)


@pytest.fixture
def project(committed: None, tmp_path: Path) -> Iterator[Project]:
    """A project with an empty database of its own."""

    def execute(statement: str) -> None:
        with connections["default"]._nodb_cursor() as cursor:
            cursor.execute(statement)

    execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    execute(f"CREATE DATABASE {DATABASE}")
    yield Project(tmp_path)
    execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def test_an_existing_table_becomes_a_tenant_s(project: Project) -> None:
    """A project of one customer, with its tables in `public`, moves them into the first schema of many."""
    project.write(_LIBRARY.format(meta="pass"))
    project.run(_START)

    project.write(_LIBRARY.format(meta='db_environment = "tenant"'), tenant={})
    said = project.run('manage("makemigrations", "library")\ncall_command("check", databases=["default"])')
    assert "No changes detected" in said
    assert said.count("django_schemas.W025") == 2
    end = "            ],\n        )"
    project.correct(end, "            ],\n            options={'db_environment': 'tenant'},\n        )")
    said = project.run(_MOVE.format(option="--schema=acme", before="public", schema="acme"))

    assert said.endswith(MOVED)
    assert "django_schemas." not in said
    said = project.run(
        'manage("migrate_schema", "default", "--schema=globex")\n'
        'print(list(Book.set_db("default", "globex").objects.all()))'
    )
    assert said.endswith("\n[]\n")


def test_a_table_moves_between_single_schemas(project: Project) -> None:
    """Until its migrations are corrected, nothing is migrated."""
    schemas: dict[str, dict[str, Any]] = {"shop": {"SCHEMA_NAME": "shop"}, "archive": {"SCHEMA_NAME": "archive"}}
    project.write(_LIBRARY.format(meta='db_environment = "shop"'), **schemas)
    project.run(_START)

    project.write(_LIBRARY.format(meta='db_environment = "archive"'), **schemas)
    said = project.run('manage("migrate")\nmanage("migrate_schema", "default", "--environment=archive")')
    assert said.count("django_schemas.E024") == 4
    assert "Migrating" not in said
    project.correct("'shop'", "'archive'")
    said = project.run(_MOVE.format(option="--environment=archive", before="shop", schema="archive"))

    assert said.endswith(MOVED)
    assert "django_schemas." not in said


_OLD = """
class Poster(models.Model):
    title = models.CharField(max_length=20)
    class Meta:
        db_environment = "shop"
"""
_NEW = """
class Placard(models.Model):
    title = models.CharField(max_length=20)
    class Meta:
        db_environment = "tenant"
"""
_MIGRATE = """
manage("makemigrations", "library")
manage("migrate")
manage("migrate_schema", "default", "--schema=acme")
"""
_COPY = """
placards = [Placard(title=poster.title) for poster in Poster.objects.all()]
Placard.set_db("default", "acme").objects.bulk_create(placards)
"""
_SHOW = """
call_command("check", databases=["default"])
print([each.title for each in Placard.set_db("default", "acme").objects.all()])
print(sql("SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('library_poster', 'library_placard')"))
"""


def test_rows_are_copied_to_a_new_model(project: Project) -> None:
    """From anywhere to anywhere, with nothing done by hand but the copy."""
    environments: dict[str, dict[str, Any]] = {"shop": {"SCHEMA_NAME": "shop"}, "tenant": {}}
    library = _LIBRARY.format(meta='db_environment = "shop"')
    project.write(library + _OLD, **environments)
    project.run(_START + 'Poster.objects.create(title="first")')

    project.write(library + _OLD + _NEW, **environments)
    project.run(_MIGRATE + _COPY)
    project.write(library + _NEW, **environments)
    said = project.run(_MIGRATE + _SHOW)

    assert said.endswith("no issues (0 silenced).\n['first']\n[('acme', 'library_placard')]\n")

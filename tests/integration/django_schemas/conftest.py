"""Fixtures for tests of django_schemas in a database.

Each test here may use all databases, in transactions that are rolled back, unless it takes the fixture `committed`.
"""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.db import connections

from django_schemas.replicas import forget_writes
from tests.apps.garage.witness import public_digest
from tests.integration.django_schemas.standby import catch_up, until_read


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the tests of this folder as `django_db`, but for those that commit."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "committed" not in item.fixturenames:
            item.add_marker(pytest.mark.django_db(databases="__all__"))


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest) -> None:
    """Open the transactions, or allow committing, before all other fixtures of a test."""
    request.getfixturevalue("committed" if "committed" in request.fixturenames else "_django_db_helper")


@pytest.fixture(autouse=True)
def _public_untouched(_database: None, schemas: dict[str, dict[str, str]]) -> Iterator[None]:
    """No test changes what in `public` looks like the tables of a schema."""
    yield
    for db, digest in schemas.items():
        if not connections[db].needs_rollback and _public_written(db):
            assert public_digest(db) == digest


def _public_written(db: str) -> bool:
    """Whether this transaction has written to a table in `public`; if there is none, whether any has."""
    if not connections[db].in_atomic_block:
        return True
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_xact_user_tables "
            "WHERE schemaname = 'public' AND n_tup_ins + n_tup_upd + n_tup_del > 0)"
        )
        return cursor.fetchone() == (True,)


@pytest.fixture
def replica(committed: None) -> Iterator[None]:
    """The replica is read, and has everything; this context has written nothing."""
    catch_up()
    forget_writes()
    until_read()
    yield
    forget_writes()


_number = count(1)

WriteMigrations = Callable[..., str]


@pytest.fixture
def write_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[WriteMigrations]:
    """Give an app more migrations for the time of a test; returns the name of their package."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(app: str = "garage", **sources: str) -> str:
        package = tmp_path / f"{app}_migrations_{next(_number)}"
        package.mkdir()
        (package / "__init__.py").touch()
        own = f"tests.apps.{app}.migrations"
        names = sorted(path.stem for path in Path(import_module(own).__path__[0]).glob("0*.py"))
        for name in names:
            (package / f"{name}.py").write_text(
                f"from importlib import import_module\n\nMigration = import_module('{own}.{name}').Migration\n"
            )
        before = names[-1]
        for name, body in sources.items():
            (package / f"{name[1:]}.py").write_text(
                "from django.db import migrations, models\n\n"
                f"{dedent(body)}\n\nMigration.dependencies = [('{app}', '{before}'), *Migration.dependencies]\n"
            )
            before = name[1:]
        settings.MIGRATION_MODULES = {app: package.name}
        written.append(package.name)
        return package.name

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in written]:
        del sys.modules[name]


@pytest.fixture
def new_schema(schemas: Any, _database: None) -> Iterator[str]:
    """The name of a schema that is not there yet, and is not there after the test."""
    yield "workshop"
    for db in ("default", "shard2"):
        if not connections[db].in_atomic_block:
            with connections[db].cursor() as cursor:
                cursor.execute("DROP SCHEMA IF EXISTS workshop CASCADE")

"""The test kit in projects of users, whose tests are run as they run them: by pytest and by Django's runner, in one
process and in several, with databases that are made, kept and cloned.

The databases that the settings name do not exist: whoever touched another than the test databases would fail.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adoption.project import Project, asked
from tests.testkit.files import DESK, classes
from tools import postgres

pytestmark = pytest.mark.slow

OURS = "from tenancy.testing import TenantTestCase"


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a database that is not there; test databases of its name are dropped behind the test."""
    name = f"testkit_{os.getpid()}"
    server = postgres.ensure().url("postgres")
    yield postgres.ensure().url(name)
    left = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
    for (database,) in asked(server, left, [f"test_{name}"]):
        asked(server, f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def desk(tmp_path: Path, url: str) -> Project:
    """The project."""
    return Project(tmp_path, url, DESK)


def pytest_of(project: Project, *args: str, code: int = 0) -> dict[str, int]:
    """Run pytest; how many tests passed, failed, ..."""
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args)
    return outcome(project.run("settings", *words, code=code))


def outcome(said: str) -> dict[str, int]:
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", said)}


def unittest_of(project: Project, *args: str) -> str:
    """Run Django's runner."""
    return project.run("settings", sys.executable, "-m", "django", "test", *args)


def made(project: Project) -> Counter[str]:
    """How many schemas were made since this was asked last, by the kind of database."""
    marks = project.folder / "MARKS"
    names = marks.read_text().split() if marks.exists() else []
    marks.unlink(missing_ok=True)
    return Counter(name.replace(f"test_testkit_{os.getpid()}", "main") for name in names)


def test_pytest(desk: Project) -> None:
    """All fixtures do what they say, in two databases, tests that commit in between."""
    assert pytest_of(desk, "test_desk.py") == {"passed": 26}


def test_xdist(desk: Project) -> None:
    """So they do in two processes, each with databases of its own."""
    assert pytest_of(desk, "test_desk.py", "-n", "2") == {"passed": 26}
    assert {name.replace("_shard", "") for name in made(desk)} == {"main_gw0", "main_gw1"}


def test_kept_database(desk: Project) -> None:
    """What was made in a database that is kept is used by the next run, and made anew when migrations change."""
    assert pytest_of(desk, "test_desk.py::test_tenant", "--reuse-db") == {"passed": 2}
    assert made(desk) == {"main": 1}
    assert pytest_of(desk, "test_desk.py::test_tenant", "--reuse-db") == {"passed": 2}
    assert made(desk) == {}
    (desk.folder / "tickets/migrations/0002_more.py").write_text(
        "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        "    dependencies = [('tickets', '0001_initial')]\n"
        "    operations = [migrations.AddField('Ticket', 'urgent', models.BooleanField(default=False))]\n"
    )
    models = desk.folder / "tickets/models.py"
    field = "\n    urgent = models.BooleanField(default=False)\n"
    models.write_text(models.read_text().replace("(max_length=200)\n", f"(max_length=200){field}", 1))
    assert pytest_of(desk, "test_desk.py::test_tenant", "--reuse-db") == {"passed": 2}
    assert made(desk) == {"main": 1}
    test_database = desk.url.replace("/testkit_", "/test_testkit_")
    waiting = "SELECT count(*) FROM pg_namespace WHERE starts_with(nspname, '_pool_')"
    assert asked(test_database, waiting) == [(1,)]


def test_without_the_app(desk: Project) -> None:
    """A project that has not this app has no fixtures of it, and is told nothing."""
    (desk.folder / "plain.py").write_text("from settings import *\nINSTALLED_APPS = []\nDATABASE_ROUTERS = []\n")
    (desk.folder / "test_plain.py").write_text("def test(tenant): pass\ndef test_other(): pass\n")
    words = (sys.executable, "-m", "pytest", "-q", "--ds=plain", "test_plain.py")
    said = desk.run("plain", *words, code=1)
    assert "fixture 'tenant' not found" in said
    assert outcome(said) == {"passed": 1, "error": 1}


def test_unittest(desk: Project) -> None:
    """Two hundred test cases make one schema."""
    (desk.folder / "tests.py").write_text(classes(200, "TenantTestCase", OURS))
    unittest_of(desk, "tests")
    assert made(desk) == {"main": 1}


def test_parallel(desk: Project) -> None:
    """Two processes make one each, in their clone of the database; of kept ones neither makes any."""
    (desk.folder / "tests.py").write_text(classes(20, "TenantTestCase", OURS))
    unittest_of(desk, "tests", "--parallel", "2", "--keepdb")
    assert made(desk) == {"main_1": 1, "main_2": 1}
    unittest_of(desk, "tests", "--parallel", "2", "--keepdb")
    assert made(desk) == {}


def test_cases(desk: Project) -> None:
    """Both test cases hold what they say, in whatever order they come, and run by pytest too."""
    (desk.folder / "tests.py").write_text((Path(__file__).parent / "desk_cases.py").read_text())
    unittest_of(desk, "tests")
    unittest_of(desk, "tests", "--reverse", "--parallel", "2")
    assert pytest_of(desk, "tests.py") == {"passed": 13}


def test_other_databases(desk: Project) -> None:
    """A database that was not made for tests gets no tenant, and whoever wants one there is told so."""
    code = "from tenancy.testing import make_tenant\ntry: make_tenant('Acme')\nexcept Exception as error: print(error)"
    said = desk.run("settings", sys.executable, "-m", "django", "shell", "--verbosity=0", "-c", code)
    assert "Database 'default' was not made for tests" in said

"""`DRIVER` chooses the driver of a process, and of nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db.backends.postgresql.psycopg_any import is_psycopg3

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, driver: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "DRIVER"}
    if driver is not None:
        environment["DRIVER"] = driver
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_these_tests_use_it() -> None:
    """What make was told is what Django uses here."""
    assert is_psycopg3 == (os.environ.get("DRIVER") == "psycopg3")


@pytest.mark.parametrize("settings", ["tests.settings", "tests.acceptance.settings", "benchmarks.settings"])
@pytest.mark.parametrize(("driver", "name"), [(None, "psycopg2"), ("psycopg2", "psycopg2"), ("psycopg3", "psycopg")])
def test_settings_choose_it(settings: str, driver: str | None, name: str) -> None:
    """Django's backend takes the driver that is named, and psycopg2 if none is, though both are installed."""
    code = "from django.db import connection; print(connection.Database.__name__)"
    done = python(f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = {settings!r}\n{code}", driver)
    assert (done.stdout.strip(), done.returncode) == (name, 0), done.stderr


@pytest.mark.parametrize(
    ("driver", "code", "message"),
    [
        ("oracle", "choose_driver()", "DRIVER is 'oracle': say psycopg2 or psycopg3."),
        ("psycopg2", "import psycopg; choose_driver()", "psycopg 3 is imported already"),
    ],
)
def test_it_can_not_be_had(driver: str, code: str, message: str) -> None:
    """A wrong name is refused, and so is a choice that comes too late."""
    done = python(f"from tools.driver import choose_driver; {code}", driver)
    assert f"RuntimeError: {message}" in done.stderr

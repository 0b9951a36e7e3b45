"""A large environment, written by `large`: made in each way, it looks as Django makes it."""

from pathlib import Path

import pytest

from .laboratory import at_work, made
from .large import APP, write_app
from .looks import differences, looks_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("tables", "migrations"), [(20, 60), pytest.param(200, 300, marks=pytest.mark.long)], ids=["small", "large"]
)
def test_new_schemas(tables: int, migrations: int, tmp_path: Path) -> None:
    """By migrations and by blueprint, and brought to the newest by the fleet."""
    write_app(tmp_path, tables, migrations)
    variables = {"BATTERY_APPS": APP, "PYTHONPATH": str(tmp_path)}
    with made("battery_plain") as url, at_work("tests.battery.plain", url, **variables) as worker:
        worker.ask("django", point=None)
        (expected,) = looks_of(url, ["public"])
    with made("battery_ours") as url, at_work("tests.battery.settings", url, **variables) as worker:
        worker.ask("guildhall", schemas=[], point=None)
        worker.ask("blueprint", schemas=["alpha", "beta"], point=None)
        worker.ask("long way", schemas=["gamma", "delta"], point=[APP, f"{tables:04}_step"])
        worker.ask("fleet", schemas=["gamma", "delta"], point=None)
        schemas = ["alpha", "beta", "gamma", "delta"]
        for schema, look in zip(schemas, looks_of(url, schemas), strict=True):
            assert differences(expected, look) == [], schema

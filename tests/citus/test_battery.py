"""The battery of migrations on Citus: schemas look as Django's own executor on PostgreSQL has them, at each point."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.battery.hands import rows_at
from tests.battery.laboratory import Place, Worker, at_work, made, send
from tests.battery.looks import Look, differences, looks_of

from . import cluster

PLAIN, OURS = "tests.battery.plain", "tests.battery.settings"
OTHERWISE = {"sequence atelier_numbers": "integer from 7 by 1 between 1 and 2147483647 for"}
"""What is otherwise, as `docs/citus.md` says: a sequence that a column's default names gets the column's type."""


@pytest.fixture(autouse=True)
def _allowed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The looks are taken by a connection of this process."""
    with django_db_blocker.unblock():
        yield


@contextmanager
def ours() -> Iterator[tuple[Worker, str]]:
    """A worker of ours, and the URL of its database on the cluster, which has triggers."""
    with cluster.made("battery_citus") as url:
        cluster.asked(url, "ALTER DATABASE battery_citus SET citus.enable_unsafe_triggers TO on")
        with at_work(OURS, url, CITUS="1") as worker:
            worker.ask("guildhall", schemas=[], point=None)
            yield worker, url


def assert_alike(expected: Look, found: Look, what: str) -> None:
    expected = {**expected, **{name: value for name, value in OTHERWISE.items() if name in expected}}
    different = differences(expected, found)
    assert not different, f"{what}:\n" + "\n".join(different)


def test_step_by_step() -> None:
    """A schema at each single point, with rows made by hand in between."""
    with made("battery_plan") as url, at_work(PLAIN, url) as worker:
        points = [point for point in worker.ask("plan") if point[0] in ("atelier", "annex")]
    with made("battery_plain") as plain, at_work(PLAIN, plain) as reference, ours() as (worker, url):
        reference.ask("django", point=["guild", "0001_initial"])
        for point in points:
            reference.ask("django", point=point)
            worker.ask("one by one", schemas=["alpha"], point=point)
            if rows := rows_at(".".join(point)):
                send(Place(plain), rows)
                send(Place(url, "alpha"), rows)
            (expected,), (found,) = looks_of(plain, ["public"]), looks_of(url, ["alpha"])
            assert_alike(expected, found, str(point))


def test_from_nothing() -> None:
    """New schemas, made by all ways; the second and third of a process by what was taken down of the first."""
    with made("battery_plain") as plain, at_work(PLAIN, plain) as reference, ours() as (worker, url):
        reference.ask("django", point=["guild", "0001_initial"])
        reference.ask("django", point=None)
        (expected,) = looks_of(plain, ["public"])
        ways = {"long way": ["alpha"], "blueprint": ["beta-1", "gamma", "delta"]}
        for way, schemas in ways.items():
            worker.ask(way, schemas=schemas, point=None)
        everywhere = [schema for schemas in ways.values() for schema in schemas]
        for schema, found in zip(everywhere, looks_of(url, everywhere), strict=True):
            assert_alike(expected, found, schema)
        nodes = dict(
            cluster.asked(
                url, "SELECT nspname::text, colocationid FROM pg_dist_schema JOIN pg_namespace n ON n.oid = schemaid"
            )
        )
        assert set(nodes) == set(everywhere)


def test_fleet() -> None:
    """Schemas that stand at one point, brought to the newest together."""
    with made("battery_plain") as plain, at_work(PLAIN, plain) as reference, ours() as (worker, url):
        reference.ask("django", point=["guild", "0001_initial"])
        for point in (["atelier", "0016_alter_types"], None):
            reference.ask("django", point=point)
        (expected,) = looks_of(plain, ["public"])
        schemas = ["alpha", "beta-1", "gamma", "delta"]
        worker.ask("one by one", schemas=schemas, point=["atelier", "0016_alter_types"])
        worker.ask("processes", schemas=schemas, point=None)
        for schema, found in zip(schemas, looks_of(url, schemas), strict=True):
            assert_alike(expected, found, schema)

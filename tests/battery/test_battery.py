"""However a schema is migrated, it looks as one that Django's own executor migrates, to the last name and row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from .hands import DRIFT, rows_at
from .laboratory import Place, Worker, at_work, made, send
from .looks import Look, differences, looks_of

pytestmark = pytest.mark.slow

PLAIN, OURS = "tests.battery.plain", "tests.battery.settings"
Point = list[str]
STOPS = [["atelier", "0006_raw_sql"], ["atelier", "0016_alter_types"], ["atelier", "0034_options"]]
"""Where schemas are left for a while, with rows."""
DRIFTS_AT = STOPS[0]
LEFT = [(0, False), (0, True), (1, True), (2, False)]
"""The numbers of the stops that schemas are left at for good, and whether these drifted."""
EXISTING = ["one by one", "fleet", pytest.param("processes", marks=pytest.mark.long)]
FROM_NOTHING = [
    ("long way", None),
    *[("blueprint", point) for point in (STOPS[1], None)],
    *[pytest.param("blueprint", point, marks=pytest.mark.long) for point in (STOPS[0], STOPS[2])],
    *[pytest.param("long way", point, marks=pytest.mark.long) for point in STOPS],
]


@dataclass(frozen=True)
class Subject:
    """A place that is brought from point to point.

    Attributes:
        place: which.
        drifts: whether its structure is changed by hand on the way.
    """

    place: Place
    drifts: bool = False

    def touch(self, point: Point) -> None:
        """Do by hand what is done at a point."""
        if self.drifts and point == DRIFTS_AT:
            send(self.place, DRIFT)
        if rows := rows_at(".".join(point)):
            send(self.place, rows)


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """All points of the apps that the battery is about, in the order in which Django goes through them."""
    with made("battery_plan") as url, at_work(PLAIN, url) as worker:
        return [point for point in worker.ask("plan") if point[0] in ("atelier", "annex")]


@contextmanager
def at_ours(url: str) -> Iterator[Worker]:
    """A worker of ours, for a database that has what all schemas share."""
    with at_work(OURS, url) as worker:
        worker.ask("guildhall", schemas=[], point=None)
        yield worker


@pytest.fixture
def ours() -> Iterator[tuple[Worker, str]]:
    """A worker of ours, and the URL of its database."""
    with made("battery_ours") as url, at_ours(url) as worker:
        yield worker, url


def assert_alike(expected: Look, found: Look, what: str) -> None:
    different = differences(expected, found)
    assert not different, f"{what}:\n" + "\n".join(different)


@pytest.fixture(scope="module")
def from_nothing() -> Callable[[Point | None], Look]:
    """The look of a database that Django brought from nothing to a point in one go."""
    known: dict[str, Look] = {}

    def look(point: Point | None) -> Look:
        key = str(point)
        if key not in known:
            with made("battery_plain") as url, at_work(PLAIN, url) as worker:
                worker.ask("django", point=["guild", "0001_initial"])
                worker.ask("django", point=point)
                (known[key],) = looks_of(url, ["public"])
        return known[key]

    return look


@pytest.mark.parametrize(("way", "point"), FROM_NOTHING, ids=str)
def test_from_nothing(way: str, point: Point | None, ours: Any, from_nothing: Callable[[Point | None], Look]) -> None:
    """New schemas, and the second and third not less than the first."""
    worker, url = ours
    schemas = ["alpha", "beta-1", "gamma"]
    worker.ask(way, schemas=schemas, point=point)
    for schema, look in zip(schemas, looks_of(url, schemas), strict=True):
        assert_alike(from_nothing(point), look, schema)


@pytest.fixture(scope="module")
def from_stops() -> dict[tuple[int, bool], Look]:
    """The looks of databases that Django brought from a stop to the newest point in one go: by the number of the stop,
    and whether they drifted.
    """
    looks = {}
    for drifts in (False, True):
        last = max(number for number, drifted in LEFT if drifted == drifts)
        with made("battery_plain") as url, at_work(PLAIN, url) as worker:
            subject = Subject(Place(url), drifts)
            worker.ask("django", point=["guild", "0001_initial"])
            for number, stop in enumerate(STOPS[: last + 1]):
                worker.ask("django", point=stop)
                subject.touch(stop)
                if (number, drifts) not in LEFT:
                    continue
                with made("battery_copy", template="battery_plain") as copy, at_work(PLAIN, copy) as other:
                    other.ask("django", point=None)
                    (looks[number, drifts],) = looks_of(copy, ["public"])
    return looks


# Before one that drifted there are two that did not: what these were sent the others may be sent as well.
OURS_LEFT = {f"schema{place}-{drifts}".lower(): (last, drifts) for place, (last, drifts) in enumerate([LEFT[0], *LEFT])}


@pytest.fixture(scope="module")
def left_at_stops() -> Iterator[str]:
    """The name of a database of ours whose schemas were left at stops."""
    name = "battery_left"
    with made(name) as url:
        with at_ours(url) as worker:
            for number, stop in enumerate(STOPS):
                going = [
                    Subject(Place(url, schema), drifts)
                    for schema, (last, drifts) in OURS_LEFT.items()
                    if last >= number
                ]
                worker.ask("one by one", schemas=schemas_of(going), point=stop)
                for subject in going:
                    subject.touch(stop)
        yield name


@pytest.mark.parametrize("way", EXISTING)
def test_from_stops(way: str, left_at_stops: str, from_stops: dict[tuple[int, bool], Look]) -> None:
    """Schemas that were left at several points, with rows made by hand; some of them drifted."""
    with made("battery_copy", template=left_at_stops) as url, at_work(OURS, url) as worker:
        worker.ask(way, schemas=list(OURS_LEFT), point=None)
        for (schema, key), look in zip(OURS_LEFT.items(), looks_of(url, list(OURS_LEFT)), strict=True):
            assert_alike(from_stops[key], look, schema)


def schemas_of(subjects: Any) -> list[str]:
    return [subject.place.schema for subject in subjects]


@pytest.fixture(scope="module")
def on_the_way(points: Sequence[Point]) -> dict[tuple[str, bool], Look]:
    """The looks of Django's own database at each point; and of one that drifts."""
    looks = {}
    for drifts in (False, True):
        with made("battery_plain") as url, at_work(PLAIN, url) as worker:
            subject = Subject(Place(url), drifts)
            worker.ask("django", point=["guild", "0001_initial"])
            for point in points:
                worker.ask("django", point=point)
                subject.touch(point)
                (looks[str(point), drifts],) = looks_of(url, ["public"])
    return looks


@pytest.mark.long
@pytest.mark.parametrize("way", EXISTING)
def test_step_by_step(way: str, ours: Any, points: Sequence[Point], on_the_way: dict[tuple[str, bool], Look]) -> None:
    """Schemas at each single point, with rows made by hand in between; one of them drifted."""
    worker, url = ours
    subjects = [Subject(Place(url, "alpha")), Subject(Place(url, "beta-1")), Subject(Place(url, "gamma"), drifts=True)]
    worker.ask("one by one", schemas=schemas_of(subjects), point=points[0])
    for point in points:
        worker.ask(way, schemas=schemas_of(subjects), point=point)
        for subject in subjects:
            subject.touch(point)
        for subject, look in zip(subjects, looks_of(url, schemas_of(subjects)), strict=True):
            assert_alike(on_the_way[str(point), subject.drifts], look, f"{subject.place} at {point}")


SQUASHED = {"ANNEX_MIGRATIONS": "tests.apps.annex.squashed"}
BEFORE_SQUASHING = [["annex", "0001_initial"], ["annex", "0002_shelf"], ["annex", "0004_shelf_index"]]


@pytest.fixture(scope="module")
def squashed() -> list[Look]:
    """The looks of databases that Django brought to a point, and to the newest after migrations were squashed."""
    looks = []
    for point in BEFORE_SQUASHING:
        with made("battery_plain") as url:
            with at_work(PLAIN, url) as worker:
                worker.ask("django", point=["guild", "0001_initial"])
                worker.ask("django", point=point)
            with at_work(PLAIN, url, **SQUASHED) as worker:
                worker.ask("django", point=None)
            looks += looks_of(url, ["public"])
    return looks


RUN = ["none", "some", "whole"]


@pytest.fixture(scope="module")
def to_be_squashed() -> Iterator[str]:
    """The name of a database of ours whose schemas have run none, some and all of what is squashed later."""
    name = "battery_run"
    with made(name) as url:
        with at_ours(url) as worker:
            for schema, point in zip(RUN, BEFORE_SQUASHING, strict=True):
                worker.ask("one by one", schemas=[schema], point=point)
        yield name


@pytest.mark.parametrize("way", EXISTING)
def test_squashed_meanwhile(way: str, to_be_squashed: str, squashed: list[Look]) -> None:
    """Schemas that had run none, some and all of the migrations that were squashed."""
    with made("battery_copy", template=to_be_squashed) as url, at_work(OURS, url, **SQUASHED) as later:
        later.ask(way, schemas=RUN, point=None)
        for schema, expected, look in zip(RUN, squashed, looks_of(url, RUN), strict=True):
            assert_alike(expected, look, schema)


HINDERED = [["atelier", "0023_indexes"], ["atelier", "0024_rename_indexes"]]
HINDRANCE = "DROP INDEX tool_lower"


@pytest.mark.parametrize("way", EXISTING[1:])
def test_failure_of_one(way: str, ours: Any, from_nothing: Callable[[Point | None], Look]) -> None:
    """Where Django fails we fail, with the same words and with the same left behind; the others are migrated."""
    before, behind = HINDERED
    with made("battery_plain") as plain, at_work(PLAIN, plain) as reference:
        reference.ask("django", point=["guild", "0001_initial"])
        reference.ask("django", point=before)
        send(Place(plain), HINDRANCE)
        raised = reference.answer("django", point=behind)["raised"]
        (left,) = looks_of(plain, ["public"])
    worker, url = ours
    schemas = ["alpha", "beta", "gamma"]
    worker.ask("one by one", schemas=schemas, point=before)
    send(Place(url, "beta"), HINDRANCE)
    assert raised.partition(": ")[2] in worker.answer(way, schemas=schemas, point=behind)["raised"]
    alpha, beta, gamma = looks_of(url, schemas)
    assert_alike(left, beta, "beta")
    assert_alike(alpha, gamma, "gamma")
    assert "index atelier_tool.tool_lowered" in alpha

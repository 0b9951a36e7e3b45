"""However a schema is migrated, it looks as one that Django's own executor migrates, to the last name and row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from .hands import DRIFT, rows_at, shifted
from .laboratory import Place, Worker, at_work, made, send
from .looks import Look, differences, looks_of

pytestmark = pytest.mark.slow

PLAIN, OURS = "tests.battery.plain", "tests.battery.settings"
START = [["contenttypes", "0002_remove_content_type_name"], ["auth", "0012_alter_user_first_name_max_length"]]
DRIFTS_AT = "atelier.0005_more_rows"


@dataclass(frozen=True)
class Subject:
    """What is brought from point to point.

    Attributes:
        place: where it is.
        drifts: whether that is what it does.
        offset: of the numbers of its content types.
    """

    place: Place
    drifts: bool = False
    offset: int = 1000

    def begin(self) -> None:
        """Do by hand what comes after the first migrations of other apps."""
        send(self.place, shifted(self.offset))

    def touch(self, point: str) -> None:
        """Do by hand what is done at a point."""
        if self.drifts and point == DRIFTS_AT:
            send(self.place, DRIFT)
        rows = rows_at(point)
        if rows:
            send(self.place, rows)


@pytest.fixture(scope="module", autouse=True)
def _allowed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def course() -> list[list[str]]:
    """The points of the apps that are of interest, in the order in which Django goes through them."""
    with made("battery_course") as url, at_work(PLAIN, url) as worker:
        return [point for point in worker.ask("plan") if point[0] in ("atelier", "annex")]


@pytest.fixture(scope="module")
def reference(course: list[list[str]]) -> dict[bool, dict[str, Look]]:
    """The look of Django's own database at each point; of one that drifts, too."""
    looks: dict[bool, dict[str, Look]] = {}
    for drifts in (False, True):
        with made("battery_plain") as url, at_work(PLAIN, url) as worker:
            looks[drifts] = dict(_django_steps(worker, Subject(Place(url), drifts, 500), course))
    return looks


def _django_steps(worker: Worker, subject: Subject, course: list[list[str]]) -> Iterator[tuple[str, Look]]:
    for point in [["guild", "0001_initial"], *START]:
        worker.ask("django", point=point)
    subject.begin()
    for point in course:
        worker.ask("django", point=point)
        subject.touch(".".join(point))
        yield ".".join(point), *looks_of(subject.place.url, ["public"])


@pytest.fixture
def workers() -> Iterator[Any]:
    """A worker of ours, and the URL of its database."""
    with made("battery_ours") as url, at_work(OURS, url) as worker:
        worker.ask("guildhall", schemas=[], point=None)
        yield worker, url


@pytest.mark.parametrize("way", ["one by one"])
def test_step_by_step(way: str, workers: Any, course: list[list[str]], reference: Mapping[bool, dict[str, Look]]) -> None:
    """At each point of the course, with rows made by hand in between, all schemas look as Django's database does;
    one that drifted as Django's that drifted.
    """
    worker, url = workers
    subjects = [
        Subject(Place(url, "alpha")),
        Subject(Place(url, "beta"), offset=5000),
        Subject(Place(url, "gamma"), drifts=True, offset=9000),
    ]
    schemas = [subject.place.schema for subject in subjects]
    for point in START:
        worker.ask(way, schemas=schemas, point=point)
    for subject in subjects:
        subject.begin()
    for point in course:
        worker.ask(way, schemas=schemas, point=point)
        for subject in subjects:
            subject.touch(".".join(point))
        for subject, look in zip(subjects, looks_of(url, schemas), strict=True):
            found = differences(reference[subject.drifts][".".join(point)], look)
            assert not found, f"{subject} at {'.'.join(point)}:\n" + "\n".join(found)

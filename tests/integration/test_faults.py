"""The harness of the fault tests breaks what it says, where it says."""

import pytest
from django.db import connection, transaction

from tests.faults import Fault, Outcome, faults_at, points_of, run

pytestmark = pytest.mark.usefixtures("committed")


def two_rows() -> str:
    """Write a row in a transaction, and one outside of any."""
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute("INSERT INTO broken VALUES (1)")
        connection.cursor().execute("INSERT INTO broken VALUES (2)")
    return "done"


@pytest.fixture(autouse=True)
def broken(committed: None) -> object:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS broken (number int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE broken")


def rows() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM broken ORDER BY number")
        return [number for (number,) in cursor.fetchall()]


POINTS = ["default: INSERT INTO broken VALUES (1)", "default: COMMIT", "default: INSERT INTO broken VALUES (2)"]


def test_points() -> None:
    """A run without a fault lists what was sent, commits too, and does it."""
    assert points_of(two_rows) == POINTS
    assert run(two_rows) == Outcome(points=POINTS, result="done")
    assert rows() == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault("error", 1), []),
        (Fault("error", 2), []),
        (Fault("error", 3), [1]),
        (Fault("backend", 1), []),
        (Fault("backend", 2), []),
        (Fault("unanswered", 2), [1]),
        (Fault("backend", 3), [1]),
        (Fault("kill", 1), []),
        (Fault("kill", 2), []),
        (Fault("kill", 3), [1]),
        (Fault("kill", 4), [1, 2]),
    ],
)
def test_what_is_left(fault: Fault, left: list[int]) -> None:
    """What was committed before the fault is there, and nothing else; a killed process tells nothing."""
    outcome = run(two_rows, fault)
    assert rows() == left
    assert (outcome.killed, bool(outcome.error)) == (fault.how == "kill", fault.how != "kill")


def test_all_that_can_happen() -> None:
    """Each way at each point, an unanswered commit at commits only, and a kill behind the last."""
    assert [(fault.how, fault.at) for fault in faults_at(POINTS)] == [
        ("error", 1),
        ("backend", 1),
        ("kill", 1),
        ("error", 2),
        ("backend", 2),
        ("unanswered", 2),
        ("kill", 2),
        ("error", 3),
        ("backend", 3),
        ("kill", 3),
        ("kill", 4),
    ]

"""Judging a tour: the rows that a tenant was shown, and the statements that this took. Pure functions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .statements import complaints
from .tour import Seen

Statements = Mapping[str, list[str]]


@dataclass(frozen=True)
class Judged:
    """What one tenant's tour came to.

    Attributes:
        statements: How many were sent, in the kinds of requests that the plain project was asked, too.
        plain: How many the plain project sent in these.
        foreign: How often other tenants' witnesses stood in what was shown.
        wrong: What does not hold.
    """

    seen: Seen
    statements: int
    plain: int
    foreign: int
    wrong: tuple[str, ...]


def judge(
    seen: Seen,
    tickets: int,
    customers: int,
    others: Collection[str],
    sent: Statements,
    plain: Mapping[str, int],
    tables: Collection[str],
    schemas: Collection[str],
) -> Judged:
    """Judge one tenant's tour.

    Args:
        seen: What was shown.
        tickets: How many there are.
        customers: How many there are.
        others: Witnesses of the other tenants.
        sent: All statements, by request.
        plain: How many statements each kind of request takes in the plain project.
        tables: Names of the tables that live in schemas.
        schemas: Those that this tenant's requests may touch.
    """
    foreign = sum(visit.body.count(witness) for visit in seen.visits for witness in others)
    numbers = {label: number for label, number in counted(seen, sent).items() if label in plain}
    rows = (
        ("tickets in the list", len(seen.tickets), tickets),
        ("customers in the list", len(seen.customers), customers),
        ("tickets as JSON", seen.found_by_api, tickets),
        ("words of other tenants", foreign, 0),
    )
    wrong = (
        *(f"{shown} {what}, not {there}" for what, shown, there in rows if shown != there),
        *(
            f"{label}: {number} statements, where the plain project sends {plain[label]}"
            for label, number in numbers.items()
            if number != plain[label]
        ),
        *(
            f"{visit.label}: {complaint}"
            for visit in seen.visits
            for complaint in complaints(sent.get(visit.request_id, ()), tables, schemas)
        ),
    )
    return Judged(seen, sum(numbers.values()), sum(plain[label] for label in numbers), foreign, wrong)


def counted(seen: Seen, sent: Statements) -> dict[str, int]:
    """Return how many statements each kind of request took."""
    return {visit.label: len(sent.get(visit.request_id, ())) for visit in seen.visits}

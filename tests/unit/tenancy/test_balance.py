"""Which tenants are moved so that databases bear as much as they weigh: values in, values out."""

from dataclasses import replace
from random import Random

import pytest

from tenancy.balance import Burden, Transfer, even_out, loads_of


def burdens(**loads: list[float]) -> list[Burden]:
    """Tenants a0, a1, ... of database a, and so on."""
    return [Burden(f"{db}{n}", db, load, size=int(load)) for db, each in loads.items() for n, load in enumerate(each)]


def told(moves: list[Transfer]) -> list[tuple[str, str, str]]:
    return [(each.slug, each.old, each.new) for each in moves]


def carried_out(before: list[Burden], moves: list[Transfer]) -> list[Burden]:
    to = {each.slug: each.new for each in moves}
    return [replace(each, db=to.get(each.slug, each.db)) for each in before]


@pytest.mark.parametrize(
    ("loads", "weights", "tolerance", "moves"),
    [
        ({"a": [60, 30, 20, 10], "b": []}, {"a": 1, "b": 1}, 0, [("a0", "a", "b")]),
        ({"a": [70, 30, 20], "b": []}, {"a": 1, "b": 1}, 10, [("a1", "a", "b"), ("a2", "a", "b")]),
        ({"a": [50, 40], "b": [50, 40]}, {"a": 1, "b": 1}, 0, []),
        ({"a": [10] * 8, "b": []}, {"a": 3, "b": 1}, 0, [("a0", "a", "b"), ("a1", "a", "b")]),
        ({"a": [10] * 10, "b": [10] * 9}, {"a": 1, "b": 1}, 0, []),
        ({"a": [100], "b": [5, 5], "c": [5, 5]}, {"a": 1, "b": 1, "c": 1}, 10, []),
        ({"a": [55], "b": [45]}, {"a": 1, "b": 1}, 10, []),
        ({"a": [], "b": []}, {"a": 1, "b": 1}, 10, []),
        ({"a": [0, 0, 0], "b": []}, {"a": 1, "b": 1}, 0, []),
        ({"a": [15, 15], "b": [5]}, {"a": 1, "b": 1}, 0, [("a0", "a", "b")]),
    ],
    ids=[
        "one will do",
        "two",
        "even",
        "by weight",
        "odd number",
        "giant",
        "in tolerance",
        "empty",
        "nothing",
        "exceeds",
    ],
)
def test_moves(
    loads: dict[str, list[float]], weights: dict[str, float], tolerance: float, moves: list[tuple[str, str, str]]
) -> None:
    """Few moves, and none where none helps."""
    assert told(even_out(burdens(**loads), weights, tolerance)) == moves


def test_cheapest_of_the_same_load() -> None:
    """Of tenants that are the same load, that is moved which has least to copy; then the first by its slug."""
    each = [Burden("x", "a", 1, 900), Burden("y", "a", 1, 10), Burden("w", "a", 1, 500), Burden("v", "a", 1, 10)]
    assert told(even_out(each, {"a": 1, "b": 1}, 0)) == [("v", "a", "b"), ("y", "a", "b")]


def test_what_can_not_be_moved_counts() -> None:
    """A tenant that is being moved is not moved once more, and counts where it goes."""
    each = [*burdens(a=[10, 10], b=[]), Burden("held", "a", 40, fixed=True)]
    assert told(even_out(each, {"a": 1, "b": 1}, 0)) == [("a0", "a", "b"), ("a1", "a", "b")]


def test_other_databases_are_left_alone() -> None:
    """What is in a database that does not take part is neither counted nor moved."""
    each = burdens(a=[10, 10], b=[], c=[500])
    assert told(even_out(each, {"a": 1, "b": 1}, 0)) == [("a0", "a", "b")]


@pytest.mark.parametrize("seed", range(60))
def test_comes_to_an_end(seed: int) -> None:
    """Of any state: the plan is the same in whatever order tenants are told, no tenant is moved twice, databases are
    more even behind it, and a second plan is empty.
    """
    random = Random(seed)
    dbs = "abcde"[: random.randint(2, 5)]
    weights = {db: random.choice([1, 1, 2, 0.5, 3]) for db in dbs}
    before = [
        Burden(f"t{n}", random.choice(dbs[: random.randint(1, len(dbs))]), int(random.paretovariate(0.9) * 100), n)
        for n in range(random.randint(1, 200))
    ]
    tolerance = random.choice([0, 5, 10, 30])
    moves = even_out(before, weights, tolerance)
    assert even_out(random.sample(before, len(before)), weights, tolerance) == moves
    assert len({each.slug for each in moves}) == len(moves)
    behind = carried_out(before, moves)
    assert even_out(behind, weights, tolerance) == []

    def uneven(state: list[Burden]) -> float:
        loads = loads_of(state, weights)
        unit = sum(loads.values()) / sum(weights.values())
        return sum((load - unit * weights[db]) ** 2 / weights[db] for db, load in loads.items())

    assert uneven(behind) < uneven(before) if moves else behind == before


@pytest.mark.parametrize("seed", range(20))
def test_what_shrinks_as_it_is_moved(seed: int) -> None:
    """A copy takes a little less room than what it was made of: that alone is no reason to move anybody again."""
    random = Random(seed)
    weights = {"a": 1.0, "b": 2.0, "c": 1.0}
    before = [Burden(f"t{n}", "a", random.randint(50, 150), n) for n in range(200)]
    moved = {each.slug for each in even_out(before, weights, 10)}
    behind = carried_out(before, even_out(before, weights, 10))
    assert moved
    assert (
        even_out([replace(each, load=each.load * (0.97 if each.slug in moved else 1)) for each in behind], weights, 10)
        == []
    )


@pytest.mark.parametrize("seed", range(20))
def test_cut_off_anywhere(seed: int) -> None:
    """Carried out to a part, and planned anew, again and again, it comes to an end in about as many moves."""
    random = Random(seed)
    weights = {"a": 1.0, "b": 2.0, "c": 1.0}
    state = [Burden(f"t{n}", "a", int(random.paretovariate(1.2) * 100), n) for n in range(80)]
    wanted, made = len(even_out(state, weights, 5)), 0
    while moves := even_out(state, weights, 5):
        part = moves[: random.randint(1, len(moves))]
        state = carried_out(state, part)
        made += len(part)
        assert made < 3 * wanted + 5
    assert made <= wanted + 5

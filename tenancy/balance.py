"""Balance: which tenants to move so that databases bear as much as they weigh. Pure: from values to values.

Moves are greedy, the largest tenant that fits first. Each makes the databases more even, so they come to an end; and
they go on from wherever the former ones led, so what was carried out to a part is planned to its end.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Burden", "Transfer", "even_out", "loads_of"]

_WORTH = 0.95
"""A tenant that fits nowhere is moved if what two databases differ by becomes this much of what it was, or less."""


@dataclass(frozen=True, slots=True)
class Burden:
    """What a tenant means to the database that it is in.

    Attributes:
        slug: whose.
        db: alias of the database.
        load: how much it is.
        size: its bytes on disk: of those that are the same load, the one that is moved with the least effort is moved.
        fixed: whether it can't be moved just now.
    """

    slug: str
    db: str
    load: float
    size: int = 0
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """A move that is to be made: of whom, from where to where, and what is moved."""

    slug: str
    old: str
    new: str
    load: float
    size: int


def even_out(burdens: Sequence[Burden], weights: Mapping[str, float], tolerance: float) -> list[Transfer]:
    """The moves that even databases out; none if all of them are even enough.

    Args:
        burdens: of all tenants.
        weights: of the databases that take part, each more than 0.
        tolerance: by how many percent of its share a database may be off. Where one is, it goes on until none is off by
            more than half of it, or no move would make them more even: what is moved may be a little smaller elsewhere.

    Returns:
        The moves, at most one of each tenant, in the order that they are to be made in.
    """
    scales = _Scales(burdens, weights)
    if scales.even(tolerance):
        return []
    homes = {each.slug: each.db for each in burdens}
    now: dict[str, str] = {}
    while not scales.even(tolerance / 2):
        step = next(scales.steps(tolerance / 2), None)
        if step is None:
            break
        burden, new = scales.carry(*step)
        # Of several moves of one the last counts.
        now[burden.slug] = new
    found = {each.slug: each for each in burdens}
    return [
        Transfer(slug, homes[slug], new, found[slug].load, found[slug].size)
        for slug, new in now.items()
        if homes[slug] != new
    ]


def loads_of(burdens: Sequence[Burden], dbs: Iterable[str], moves: Sequence[Transfer] = ()) -> dict[str, float]:
    """What each database bears once moves are made."""
    moved = {each.slug: each.new for each in moves}
    loads = dict.fromkeys(dbs, 0.0)
    for each in burdens:
        db = moved.get(each.slug, each.db)
        if db in loads:
            loads[db] += each.load
    return loads


class _Scales:
    """What databases bear, as moves are tried."""

    def __init__(self, burdens: Sequence[Burden], weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._totals = loads_of(burdens, weights)
        total, weight = sum(self._totals.values()), sum(weights.values())
        self._shares = {db: total * each / weight for db, each in weights.items()}
        # By load; of the same load the smallest comes last, then the first by its slug.
        movable = sorted(
            (each for each in burdens if not each.fixed and each.load > 0 and each.db in weights),
            key=lambda each: each.slug,
            reverse=True,
        )
        self._ranked = sorted(movable, key=lambda each: (each.load, -each.size))
        self._at: dict[str, list[int]] = {db: [] for db in weights}
        for rank, each in enumerate(self._ranked):
            self._at[each.db].append(rank)

    def even(self, tolerance: float) -> bool:
        """Whether no database is off its share by more than so many percent."""
        return not self._uneven(tolerance)

    def steps(self, tolerance: float) -> Iterator[tuple[int, str, str]]:
        """What to move, from where and to where, the best first: by the fullest database, and the emptiest."""
        fullest = sorted(self._shares, key=self._fullness, reverse=True)
        uneven = self._uneven(tolerance)
        pairs = [
            (old, new)
            for old in fullest
            for new in reversed(fullest)
            if self._fullness(old) > self._fullness(new) and not uneven.isdisjoint((old, new))
        ]
        for fitting in (self._fitting, self._exceeding):
            for old, new in pairs:
                rank = fitting(old, new)
                if rank is not None:
                    yield rank, old, new

    def carry(self, rank: int, old: str, new: str) -> tuple[Burden, str]:
        """Move one."""
        burden = self._ranked[rank]
        self._at[old].remove(rank)
        insort(self._at[new], rank)
        self._totals[old] -= burden.load
        self._totals[new] += burden.load
        return burden, new

    def _uneven(self, tolerance: float) -> set[str]:
        shares = self._shares.items()
        return {db for db, share in shares if abs(self._totals[db] - share) > share * tolerance / 100}

    def _fullness(self, db: str) -> float:
        return self._totals[db] / self._weights[db]

    def _fitting(self, old: str, new: str) -> int | None:
        """The largest that takes neither database beyond its share."""
        most = min(self._totals[old] - self._shares[old], self._shares[new] - self._totals[new])
        return self._largest(old, most)

    def _exceeding(self, old: str, new: str) -> int | None:
        """The one behind which the two differ least, if that is worth it."""
        each = 1 / self._weights[old] + 1 / self._weights[new]
        gap = self._fullness(old) - self._fullness(new)
        near = [self._largest(old, gap / each), self._smallest(old, gap / each)]
        left = {rank: abs(gap - self._ranked[rank].load * each) for rank in near if rank is not None}
        best = min(left, key=left.__getitem__, default=None)
        return best if best is not None and left[best] <= gap * _WORTH else None

    def _largest(self, db: str, most: float) -> int | None:
        """The last of a database's that are so much load at most."""
        index = bisect_right(self._at[db], most, key=self._load)
        return self._at[db][index - 1] if index else None

    def _smallest(self, db: str, least: float) -> int | None:
        """The smallest of a database's that are more load; of several, the last."""
        index = bisect_right(self._at[db], least, key=self._load)
        return self._largest(db, self._load(self._at[db][index])) if index < len(self._at[db]) else None

    def _load(self, rank: int) -> float:
        return self._ranked[rank].load

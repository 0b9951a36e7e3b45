"""What is known of the tests without a mutant: how long they take, and which lines of the guards they run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from coverage import CoverageData

from .guards import GUARDS, TESTS
from .mutants import Mutant, file_of

__all__ = ["Measures", "digest"]

_LINES = 10_000  # No module is longer.


def digest() -> str:
    """A digest of the guards and the tests as they are: what was measured of others is not true of these."""
    files = [*map(file_of, GUARDS), *map(Path, TESTS)]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@dataclass(eq=False)
class Measures:
    """What is known of the tests without a mutant.

    Attributes:
        seconds: how long each takes that passes, by its id.
        tests: which run a line, by its file and number.
        failed: those that failed.
        sources: a digest of the guards and the tests that were measured.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    sources: str = field(default_factory=lambda: digest())

    def read(self, data: CoverageData, files: Sequence[str]) -> None:
        """Take over which tests ran which lines."""
        for file in files:
            for line, contexts in data.contexts_by_lineno(file).items():
                known = self.tests.setdefault((file, line), set())
                known.update(test for test in contexts if test in self.seconds)

    def telling(self, mutant: Mutant, budget_s: float, known: Sequence[str] = (), early: bool = False) -> list[str]:
        """The tests that run what a mutant changes, as many as fit.

        First those that are known to be telling; then in turns those that run little else, and those that run what few
        others run of the module; the quick ones before.

        Args:
            mutant: one of a guard's.
            budget_s: how long they may take together.
            known: tests that killed others, the most telling first.
            early: whether its effect may be on what was made before the tests: any of the module's may notice it.
        """
        first, last = mutant.around
        # An expression is often run without its first line.
        if early:
            found = self._running(mutant, range(1, _LINES + 1))
        else:
            found = self._running(mutant, [mutant.line]) or self._running(mutant, range(first + 1, last + 1))
        chosen, spent_s = [], 0.0
        rarity, breadth = self._rarity(str(file_of(mutant.module))), self._breadth
        rare = sorted(found, key=lambda test: (self.seconds[test] / rarity[test], test))
        narrow = sorted(found, key=lambda test: (self.seconds[test] * breadth[test], test))
        in_turns = (test for pair in zip(narrow, rare, strict=True) for test in pair)
        for test in dict.fromkeys([*(test for test in known if test in found), *in_turns]):
            spent_s += self.seconds[test]
            if chosen and spent_s > budget_s:
                break
            chosen.append(test)
        return chosen

    @cached_property
    def _breadth(self) -> Counter[str]:
        """How many lines of the guards each test runs."""
        return Counter(test for tests in self.tests.values() for test in tests)

    @cache  # noqa: B019  # there is one
    def _rarity(self, file: str) -> Counter[str]:
        """How much each test runs of a file that few others do."""
        rarity: Counter[str] = Counter()
        for (where, _), tests in self.tests.items():
            if where == file:
                for test in tests:
                    rarity[test] += 1 / len(tests)  # type: ignore[assignment]
        return rarity

    def forget(self, test: str) -> None:
        """Count a test as one that fails."""
        self.failed.append(test)
        del self.seconds[test]
        for tests in self.tests.values():
            tests.discard(test)

    def _running(self, mutant: Mutant, lines: Iterable[int]) -> set[str]:
        return set().union(*(self.tests.get((str(file_of(mutant.module)), line), ()) for line in lines))

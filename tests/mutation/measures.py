"""What is known of the tests without a mutant: how long they take, and which lines of the guards they run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from coverage import CoverageData

from .mutants import Mutant, file_of

__all__ = ["Measures"]

_LINES = 10_000  # No module is longer.


@dataclass
class Measures:
    """What is known of the tests without a mutant.

    Attributes:
        seconds: how long each takes that passes, by its id.
        tests: which run a line, by its file and number.
        early: the lines that ran before the first test, as modules were imported and databases made.
        failed: those that failed.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    early: set[tuple[str, int]] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    def read(self, data: CoverageData, files: Sequence[str]) -> None:
        """Take over which tests ran which lines."""
        for file in files:
            for line, contexts in data.contexts_by_lineno(file).items():
                known = self.tests.setdefault((file, line), set())
                known.update(test for test in contexts if test in self.seconds)

    def telling(self, mutant: Mutant, budget_s: float, early: bool = False) -> list[str]:
        """The tests that run what a mutant changes, as many as fit: first those that run little else, and quickly.

        Args:
            mutant: one of a guard's.
            budget_s: how long they may take together.
            early: whether its effect may be on what was made before the tests: any of the module's may notice it.
        """
        first, last = mutant.around
        # An expression is often run without its first line.
        found = self._running(mutant, [mutant.line]) or self._running(mutant, range(first + 1, last + 1))
        if early and not found:
            found = self._running(mutant, range(1, _LINES + 1))
        return self._fitting(found, budget_s)

    def _fitting(self, found: set[str], budget_s: float) -> list[str]:
        breadth = self._breadth
        chosen, spent_s = [], 0.0
        for test in sorted(found, key=lambda name: (self.seconds[name] * breadth[name], name)):
            spent_s += self.seconds[test]
            if chosen and spent_s > budget_s:
                break
            chosen.append(test)
        return chosen

    @cached_property
    def _breadth(self) -> Counter[str]:
        """How many lines of the guards each test runs."""
        return Counter(test for tests in self.tests.values() for test in tests)

    def forget(self, test: str) -> None:
        """Count a test as one that fails."""
        self.failed.append(test)
        del self.seconds[test]
        for tests in self.tests.values():
            tests.discard(test)

    def ran_early(self, mutant: Mutant) -> bool:
        """Tell whether what a mutant changes ran before the first test."""
        return (str(file_of(mutant.module)), mutant.line) in self.early

    def _running(self, mutant: Mutant, lines: Iterable[int]) -> set[str]:
        return set().union(*(self.tests.get((str(file_of(mutant.module)), line), ()) for line in lines))

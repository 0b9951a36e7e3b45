"""The pytest plugin: sets everything up once, then runs the tests for each mutant in a fork of this process.

A mutant is killed if a test fails with it that passes without it. That is seen each time, in another fork: what a
mutant wrote to the databases, or left running, must not pass for the next one's fault.
"""

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage
from django.db import connections
from pytest_django.plugin import blocking_manager_key

from .databases import Copies
from .forks import NoResult, in_fork
from .guards import GUARDS
from .loading import CannotSwap, swap_code
from .measures import Measures
from .mutants import Mutant, file_of

__all__ = ["Chosen", "MutationSession"]

_MEASURING_S = 3600


class MutationSession:
    """Runs tests for mutants.

    Args:
        mutants: those to try.
        budget_s: how long the tests of one may take.
        measures: what is known of the tests, if anything is.
        tell: is told what became of each.

    Attributes:
        killers: of each mutant that was killed, the test that did it.
        survivors: the mutants that no test killed.
        unseen: those that could not be tried in a running process.
    """

    def __init__(
        self, mutants: Sequence[Mutant], budget_s: float, measures: Measures | None, tell: Callable[[str], object]
    ) -> None:
        self.mutants = mutants
        self.budget_s = budget_s
        self.measures = measures
        self.tell = tell
        self.killers: dict[Mutant, str] = {}
        self.survivors: list[Mutant] = []
        self.unseen: list[Mutant] = []
        self._files = [str(file_of(module)) for module in GUARDS]
        self._recent: dict[str, list[str]] = defaultdict(list)
        self._early = Coverage(data_file=None, config_file=False, include=self._files)
        if measures is None:
            self._early.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running each test once."""
        self.session = session
        self.items = {item.nodeid: item for item in session.items}
        first = next(item for item in session.items if "schemas" in item.fixturenames)
        if self._fails([first.nodeid]):
            raise pytest.UsageError(f"{first.nodeid} fails without a mutant.")
        self.blocker = session.config.stash[blocking_manager_key]
        self.copies = Copies()
        with self.blocker.unblock():
            self.copies.make()
        gc.freeze()
        try:
            self._measure()
            for number, mutant in enumerate(self.mutants, 1):
                self.tell(f"{number}/{len(self.mutants)} {self._try(mutant)} {mutant}")
        finally:
            with self.blocker.unblock():
                self.copies.drop()
        return True

    def _restore(self) -> None:
        with self.blocker.unblock():
            self.copies.restore()

    def _measure(self) -> None:
        if self.measures is None:
            self._early.stop()
            early = {(file, line) for file in self._files for line in self._early.get_data().lines(file) or ()}
            self.measures = in_fork(self._measured, _MEASURING_S)
            self.measures.early = early
            self._restore()

    def _measured(self) -> Measures:
        measures = Measures()
        coverage = Coverage(data_file=None, config_file=False, include=self._files)
        coverage.start()
        for number, name in enumerate(self.items, 1):
            if number % 100 == 0:
                self.tell(f"{number}/{len(self.items)} tests measured")
            coverage.switch_context(name)
            began = time.monotonic()
            if self._fails([name]):
                measures.failed.append(name)
            else:
                measures.seconds[name] = time.monotonic() - began
        coverage.stop()
        measures.read(coverage.get_data(), self._files)
        return measures

    def _try(self, mutant: Mutant) -> str:
        assert self.measures is not None
        tests = self.measures.telling(mutant, self.budget_s)
        recent = self._recent[mutant.scope]
        tests.sort(key=lambda test: -recent.index(test) if test in recent else 1)
        if not mutant.within_function or not tests:
            self.unseen.append(mutant)
            return "later"
        timeout_s = 15 + 4 * sum(self.measures.seconds[test] for test in tests)
        for _ in range(2):
            try:
                killer = in_fork(lambda: self._fails_with(mutant, tests), timeout_s)
            except NoResult as reason:
                self._restore()
                self.killers[mutant] = f"{reason}"
                return f"killed ({reason})"
            if killer is _UNSEEN:
                self.unseen.append(mutant)
                return "later"
            if killer is None:
                if self.measures.ran_early(mutant):
                    self.unseen.append(mutant)
                    return "later"
                self.survivors.append(mutant)
                return "SURVIVED"
            if not self._fails_in_fork(killer):
                self.killers[mutant] = killer
                if killer in recent:
                    recent.remove(killer)
                recent.append(killer)
                return f"killed by {killer.rpartition('/')[2]}:"
            self.tell(f"{killer} failed without it too: put the databases back")
            self._restore()
        raise pytest.UsageError(f"{killer} fails without a mutant too.")

    def _fails_in_fork(self, test: str) -> bool:
        try:
            return in_fork(lambda: self._fails([test]), 60) is not None
        except NoResult:
            return True

    def _fails_with(self, mutant: Mutant, tests: Sequence[str]) -> str | None:
        try:
            swap_code(mutant)
        except CannotSwap:
            return _UNSEEN
        return self._fails(tests)

    def _fails(self, tests: Sequence[str]) -> str | None:
        """Run tests up to the first that fails, and return that one."""
        items = [self.items[name] for name in tests]
        nodes: list[Any] = [*items[1:], self.session]  # What is the session's is kept.
        for item, following in zip(items, nodes, strict=True):
            try:
                if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                    return item.nodeid
            except BaseException:
                return item.nodeid
        connections.close_all()
        return None


_UNSEEN = ""


class Chosen:
    """The plugin of a run of some tests, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = {name: number for number, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.tests), key=lambda item: self.tests[item.nodeid]
        )

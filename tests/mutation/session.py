"""The pytest plugin: sets everything up once, then runs the tests for each mutant in a fork of this process.

A mutant is killed if a test fails with it that passes without it. Both are seen, one after the other: what a mutant
wrote to the databases must not pass for the next one's fault.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage
from django.db import connections
from pytest_django.plugin import blocking_manager_key

from .databases import Copies
from .forks import NoResult, in_fork
from .guards import AT_IMPORT, GUARDS
from .loading import CannotSwap, functions_of, swap_code
from .measures import Measures
from .mutants import Mutant, file_of

__all__ = ["Chosen", "MutationSession"]

_MEASURING_S = 3600
_REMEMBERED = 30
_BUDGETS = 30  # Of a mutant that seems to survive, unexplained.
_SURVIVED = "SURVIVED"
_UNSEEN = ""


class MutationSession:
    """Runs tests for mutants.

    Args:
        mutants: those to try.
        budget_s: how long the tests of one may take.
        explained: those that are known to survive.
        measures: what is known of the tests, if anything is.
        keep: is told it else, once it is known.
        tell: is told what became of each.

    Attributes:
        killers: of each mutant that was killed, the test that did it.
        survivors: the mutants that no test killed.
        unseen: those that could not be tried in a running process.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        budget_s: float,
        explained: Collection[str],
        measures: Measures | None,
        keep: Callable[[Measures], object],
        tell: Callable[[str], object],
    ) -> None:
        self.mutants = mutants
        self.budget_s = budget_s
        self.explained = explained
        self.measures = measures
        self.keep = keep
        self.tell = tell
        self.killers: dict[Mutant, str] = {}
        self.survivors: list[Mutant] = []
        self.unseen: list[Mutant] = []
        self._files = [str(file_of(module)) for module in GUARDS]
        self._killing: dict[str, list[str]] = defaultdict(list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running each test once."""
        self.session = session
        self.items = {item.nodeid: item for item in session.items}
        for name in self._introducing():
            if self._fails([name]):
                raise pytest.UsageError(f"{name} fails without a mutant.")
        self.blocker = session.config.stash[blocking_manager_key]
        self.copies = Copies()
        with self.blocker.unblock():
            self.copies.make()
        try:
            self._measure()
            self.functions = functions_of(GUARDS)
            self._try_all()
        finally:
            with self.blocker.unblock():
                self.copies.drop()
        return True

    def _introducing(self) -> Iterator[str]:
        """Tests by which everything is made that is made once: it must not be made in each fork."""
        made: set[str] = set()
        for item in self.items.values():
            fixtures = item._fixtureinfo.name2fixturedefs
            needed = {name for name, made_by in fixtures.items() if made_by[-1].scope == "session"}
            if not needed <= made:
                made |= needed
                yield item.nodeid

    def _restore(self) -> None:
        with self.blocker.unblock():
            self.copies.restore()

    def _measure(self) -> None:
        if self.measures is None:
            self.measures = Measures()
        known = {*self.measures.seconds, *self.measures.failed}
        if new := [name for name in self.items if name not in known]:
            self.measures = in_fork(lambda: self._measured(new), _MEASURING_S)
            self.keep(self.measures)
            self._restore()

    def _measured(self, tests: Sequence[str]) -> Measures:
        assert self.measures is not None
        coverage = Coverage(data_file=None, config_file=False, include=self._files)
        coverage.start()
        for number, name in enumerate(tests, 1):
            if number % 100 == 0:
                self.tell(f"{number}/{len(tests)} tests measured")
            coverage.switch_context(name)
            began = time.monotonic()
            if self._fails([name]):
                self.measures.failed.append(name)
            else:
                self.measures.seconds[name] = time.monotonic() - began
        coverage.stop()
        self.measures.read(coverage.get_data(), self._files)
        return self.measures

    def _try_all(self) -> None:
        for number, mutant in enumerate(self.mutants, 1):
            outcome = self._try(mutant)
            if mutant in self.killers and not self._passes(self.killers[mutant]):
                outcome = self._try_again(mutant)
            self.tell(f"{number}/{len(self.mutants)} {outcome} {mutant}")

    def _try(self, mutant: Mutant) -> str:
        """Run the tests that run what a mutant changes; many more if it seems to survive, and is not explained."""
        outcome = self._tried(mutant, self.budget_s)
        if outcome == _SURVIVED and str(mutant) not in self.explained:
            outcome = self._tried(mutant, self.budget_s * _BUDGETS)
        if outcome == _SURVIVED:
            self.survivors.append(mutant)
        return outcome

    def _try_again(self, mutant: Mutant) -> str:
        """Try one in databases as they were made, since its killer fails without it where it left them."""
        assert self.measures is not None
        killer = self.killers.pop(mutant)
        self._restore()
        if not self._passes(killer):
            self.tell(f"fails without a mutant: {killer}")
            self.measures.forget(killer)
        outcome = self._try(mutant)
        self._restore()
        return outcome

    def _tried(self, mutant: Mutant, budget_s: float) -> str:
        assert self.measures is not None
        known = (*self._killing[mutant.scope], *self._killing[mutant.module])
        tests = self.measures.telling(mutant, budget_s, known)
        timeout_s = 15 + 4 * sum(self.measures.seconds[test] for test in tests)
        try:
            killer = in_fork(lambda: self._fails_with(mutant, tests), timeout_s) if tests else None
        except NoResult as reason:
            self._restore()
            return f"killed: {reason}:"
        if killer == _UNSEEN or (killer is None and mutant.scope in AT_IMPORT):
            self.unseen.append(mutant)
            return "later"
        if killer is None:
            return _SURVIVED
        self.killers[mutant] = killer
        for where in (mutant.scope, mutant.module):
            self._killing[where] = list(dict.fromkeys([killer, *self._killing[where]]))[:_REMEMBERED]
        return f"killed by {killer.rpartition('/')[2]}:"

    def _passes(self, test: str) -> bool:
        """Whether a test passes without a mutant, at the second try at the latest."""

        def fails() -> bool:
            try:
                return in_fork(lambda: self._fails([test]), 30) is not None
            except NoResult:
                return True

        return not (fails() and fails())

    def _fails_with(self, mutant: Mutant, tests: Sequence[str]) -> str | None:
        try:
            swap_code(mutant, self.functions)
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


class Chosen:
    """The plugin of a run of some tests, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = {name: number for number, name in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.tests), key=lambda item: self.tests[item.nodeid]
        )

"""Try mutants of the guards: `python -m tests.mutation [--only MODULE ...]`.

Fails on a survivor that is not explained in `survivors.toml`, and on one explained there that is killed, or is gone.
"""

import argparse
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .explanations import explained
from .forks import NoResult, in_fork
from .guards import GUARDS, TESTS
from .loading import import_mutant
from .measures import Measures, digest
from .mutants import Mutant, mutants_of
from .session import Chosen, MutationSession

_BUDGETS_FROM_THE_START = 3
"""Of a mutant that needs a process of its own."""

_PYTEST = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not long"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants asked for, and return the exit status."""
    options = _parse(arguments)
    began = time.monotonic()
    modules = options.only or GUARDS
    mutants = [mutant for module in modules for mutant in mutants_of(module)]
    known = explained()
    if options.again:
        mutants = [mutant for mutant in mutants if str(mutant) in known or str(mutant) in options.again.read_text()]
    tried = in_fork(lambda: _in_a_running_process(mutants, options), 24 * 3600)
    measures, survivors = tried.measures, tried.survivors
    for number, mutant in enumerate(tried.unseen, 1):
        survived = _survives_from_the_start(mutant, tried, options.budget)
        survivors += [mutant] if survived else []
        _tell(f"{number}/{len(tried.unseen)} {'SURVIVED' if survived else 'killed'} from the start {mutant}")
    wrong = _wrong(mutants, survivors, set(known), measures)
    print(*wrong, *_summary(modules, mutants, survivors, set(known)), sep="\n")
    print(f"{len(measures.seconds)} tests, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description="Mutants of the guards.")
    parser.add_argument("--only", nargs="+", choices=GUARDS, metavar="MODULE", help="Mutants of these modules alone.")
    parser.add_argument(
        "--budget", type=float, default=20, metavar="SECONDS", help="For the tests of one mutant, at first."
    )
    parser.add_argument("--again", type=Path, metavar="FILE", help="Those that FILE names, and the explained ones.")
    parser.add_argument("--measures", type=Path, metavar="FILE", help="Keep there which test runs what, or read it.")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class _Tried:
    """What a running process found: what its session says, as far as it is needed behind it."""

    measures: Measures
    survivors: list[Mutant]
    unseen: list[Mutant]
    killers: dict[Mutant, str]


def _in_a_running_process(mutants: list[Mutant], options: argparse.Namespace) -> _Tried:
    """Set up once, and try the mutants that can be put into a running process."""
    kept = options.measures is not None and options.measures.exists()
    measures = pickle.loads(options.measures.read_bytes()) if kept else None
    if measures is not None and measures.sources != digest():
        measures = None

    def keep(found: Measures) -> None:
        if options.measures is not None:
            options.measures.write_bytes(pickle.dumps(found))

    session = MutationSession(mutants, options.budget, explained(), measures, keep, _tell)
    status = pytest.main([*_PYTEST, *TESTS], plugins=[session])
    if session.measures is None or status != 0:
        raise SystemExit(f"pytest ended with {status}.")
    return _Tried(session.measures, session.survivors, session.unseen, session.killers)


def _survives_from_the_start(mutant: Mutant, tried: _Tried, budget_s: float) -> bool:
    """Try a mutant in a process that has it from its start."""
    killers = dict.fromkeys(test for other, test in tried.killers.items() if other.module == mutant.module)
    tests = tried.measures.telling(mutant, _BUDGETS_FROM_THE_START * budget_s, tuple(killers), early=True)
    if not tests:
        return True
    files = sorted({test.partition("::")[0] for test in tests})

    def work() -> int:
        import_mutant(mutant)
        return int(pytest.main([*_PYTEST, "-x", *files], plugins=[Chosen(tests)]))

    try:
        return in_fork(work, 60 + 5 * _BUDGETS_FROM_THE_START * budget_s) == 0
    except NoResult:
        return False


_STDERR = os.dup(2)


def _tell(line: str) -> None:
    """Say how far we are, where pytest does not catch it."""
    os.write(_STDERR, f"{line}\n".encode())


def _wrong(mutants: list[Mutant], survivors: list[Mutant], known: set[str], measures: Measures) -> list[str]:
    """What fails the run, one line each."""
    tried, survived = set(map(str, mutants)), set(map(str, survivors))
    modules = {mutant.module for mutant in mutants}
    return [
        *(f"Fails without a mutant: {name}" for name in measures.failed),
        *(f"Survived, unexplained: {name}" for name in sorted(survived - known)),
        *(f"Killed, though explained as a survivor: {name}" for name in sorted((known & tried) - survived)),
        *(
            f"Explained as a survivor, and no mutant now: {name}"
            for name in sorted(known - tried)
            if any(name.startswith((f"{module}.", f"{module}:")) for module in modules)
        ),
    ]


def _summary(modules: Sequence[str], mutants: list[Mutant], survivors: list[Mutant], known: set[str]) -> list[str]:
    everywhere = "all"
    tried, left, explained_ones = Counter[str](), Counter[str](), Counter[str]()
    for mutant in mutants:
        tried.update([mutant.module, everywhere])
    for mutant in survivors:
        (explained_ones if str(mutant) in known else left).update([mutant.module, everywhere])
    return [
        f"{module}: {tried[module]} mutants, {killed} killed ({killed / tried[module]:.1%}), "
        f"{explained_ones[module]} survived and are explained, {left[module]} unexplained"
        for module in [*modules, everywhere]
        if tried[module]
        for killed in [tried[module] - left[module] - explained_ones[module]]
    ]


if __name__ == "__main__":
    sys.exit(main())

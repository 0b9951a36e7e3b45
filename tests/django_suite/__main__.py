"""Run Django's own tests on our backend: `python -m tests.django_suite [--django-apps LIST] [--mode MODE] [LABEL ...]`.

Fails on a failure that is not expected, on an expected one that passes, and on an expected one that is no longer there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

from tools.driver import choose_driver
from tools.postgres import PostgresError, ensure

from .expectations import Expectation, Kind, Regime, expected_failures
from .labels import LISTS
from .placing import Mode
from .sdist import tests_folder

_REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests in each mode asked for, and return the exit status."""
    options = _parse(arguments)
    labels = options.labels or LISTS[options.django_apps]
    modes = list(Mode) if options.mode == "both" else [Mode(options.mode)]
    try:
        url = ensure().url("postgres")
    except PostgresError as error:
        print(f"django_suite: {error}", file=sys.stderr)
        return 1
    folder = tests_folder()
    with ThreadPoolExecutor(len(modes)) as pool:
        outcomes = list(pool.map(lambda mode: _run(mode, labels, options, url, folder, len(modes) > 1), modes))
    print(*(line for _, lines in outcomes for line in lines), sep="\n")
    return 0 if all(good for good, _ in outcomes) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.django_suite", description="Django's own tests on our backend.")
    parser.add_argument("labels", nargs="*", metavar="LABEL", help="As runtests.py takes them, instead of a list.")
    parser.add_argument("--django-apps", default="orm", choices=LISTS, help="Which list of test apps to run.")
    parser.add_argument(
        "--mode",
        default="both",
        choices=[*Mode, "both"],
        help="The kind of environment that all models are put into: one of many schemas, or one of a single schema.",
    )
    parser.add_argument("-k", action="append", default=[], dest="patterns", metavar="PATTERN", help="As unittest's.")
    parser.add_argument("--failfast", action="store_true", help="Stop at the first failure.")
    return parser.parse_args(arguments)


def _run(
    mode: Mode, labels: Sequence[str], options: argparse.Namespace, url: str, folder: Path, beside_another: bool
) -> tuple[bool, list[str]]:
    """Run the tests in one mode; return whether all is well, and what to print.

    What a run beside another one writes is printed as it ends.
    """
    command = [
        *(sys.executable, "runtests.py", "--settings=tests.django_suite.settings", "--noinput"),
        "--parallel=1",
        *(["--failfast"] if options.failfast else []),
        *(argument for pattern in options.patterns for argument in ("-k", pattern)),
        *labels,
    ]
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        backend = "postgis" if any(label.startswith("gis_tests") for label in labels) else "postgres"
        variables = {
            "DJANGO_SUITE_BACKEND": backend,
            "DJANGO_SUITE_MODE": mode.value,
            "DJANGO_SUITE_NAME": f"{backend}_{'_'.join(map(str, django.VERSION[:2]))}_{choose_driver()}_{mode}",
            "DJANGO_SUITE_REPORT": str(report),
            "DJANGO_SUITE_URL": url,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")])),
        }
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if beside_another else {}
        done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=False, text=True, **output)
        if beside_another:
            print(f"::: mode {mode}", done.stdout, sep="\n", flush=True)
        found = json.loads(report.read_text()) if report.exists() else None
    if found is None:
        return False, [f"Mode {mode}: runtests.py ended with {done.returncode} before it had a result."]
    expectations = expected_failures(django.VERSION[:2], mode)
    complete = not (options.patterns or options.failfast)
    wrong = _wrong(found, _missing(found, expectations, labels) if complete else [])
    return not wrong and done.returncode == 0, [
        *wrong,
        _summary(mode, found, expectations, time.monotonic() - started_s),
    ]


def _missing(found: dict[str, Any], expectations: dict[str, Expectation], labels: Sequence[str]) -> list[str]:
    """Tests that are expected to fail, and are not in the apps that were run as a whole."""
    seen = set(found["seen"])
    whole = tuple(f"{label}." for label in labels)
    return sorted(name for name in expectations if name.startswith(whole) and name not in seen)


def _wrong(found: dict[str, Any], missing: list[str]) -> list[str]:
    """What fails the run, one line each."""
    return [
        *(f"Failed, which was not expected: {name}" for name in found["unexpected"]),
        *(f"Passed, though listed as an expected failure: {name}" for name in found["passed"]),
        *(f"Listed as an expected failure, and was not run: {name}" for name in missing),
    ]


def _summary(mode: Mode, found: dict[str, Any], expectations: dict[str, Expectation], elapsed_s: float) -> str:
    counts = Counter(expectations[name].kind for name in found["expected"])
    kinds = ", ".join(f"{kind} {counts[kind]}" for kind in Kind)
    regimes = ", ".join(f"{regime} {found['on_search_path'].get(regime, 0)}" for regime in Regime)
    left_out = f", {found['left_out']} left out that need a second database" if found["left_out"] else ""
    return (
        f"Django {django.get_version()}, {found['driver'].partition(' (')[0]}, mode {mode}: {found['run']} tests run "
        f"({found['skipped']} skipped{left_out}; with the schema on search_path: {regimes}), "
        f"{len(found['expected'])} failures expected ({kinds}), "
        f"{len(found['unexpected']) + len(found['passed'])} unexpected; {found['statements']} statements audited "
        f"({found['distinct']} distinct), {elapsed_s:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())

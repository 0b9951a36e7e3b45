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
from pathlib import Path
from typing import Any

import django
from django.db.backends.postgresql.psycopg_any import is_psycopg3

from tools.postgres import PostgresError, ensure

from .expectations import Expectation, Kind, load
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
    summaries = [_run(mode, labels, options, url, folder) for mode in modes]
    print(*(line for _, lines in summaries for line in lines), sep="\n")
    return 0 if all(good for good, _ in summaries) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.django_suite", description="Django's own tests on our backend.")
    parser.add_argument("labels", nargs="*", metavar="LABEL", help="As runtests.py takes them, instead of a list.")
    parser.add_argument("--django-apps", default="first", choices=LISTS, help="Which list of test apps to run.")
    parser.add_argument(
        "--mode",
        default=Mode.MULTI,
        choices=[*Mode, "both"],
        help="The kind of environment that all models are put into: one of many schemas, or one of a single schema.",
    )
    parser.add_argument("-k", action="append", default=[], dest="patterns", metavar="PATTERN", help="As unittest's.")
    parser.add_argument("--failfast", action="store_true", help="Stop at the first failure.")
    return parser.parse_args(arguments)


def _run(
    mode: Mode, labels: Sequence[str], options: argparse.Namespace, url: str, folder: Path
) -> tuple[bool, list[str]]:
    """Run the tests in one mode; return whether all is well, and what to print."""
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
            "DJANGO_SUITE_NAME": f"{backend}_{'_'.join(map(str, django.VERSION[:2]))}_psycopg{_psycopg()}_{mode}",
            "DJANGO_SUITE_REPORT": str(report),
            "DJANGO_SUITE_URL": url,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")])),
        }
        done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=False)
        found = json.loads(report.read_text()) if report.exists() else None
    if found is None:
        return False, [f"Mode {mode}: runtests.py ended with {done.returncode} before it had a result."]
    expectations = load(django.VERSION[:2], mode)
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
    left_out = f", {found['left_out']} left out that need a second database" if found["left_out"] else ""
    return (
        f"Django {django.get_version()}, psycopg {_psycopg()}, mode {mode}: {found['run']} tests run "
        f"({found['skipped']} skipped{left_out}), {len(found['expected'])} failures expected ({kinds}), "
        f"{len(found['unexpected']) + len(found['passed'])} unexpected, {elapsed_s:.0f} s"
    )


def _psycopg() -> int:
    return 3 if is_psycopg3 else 2


if __name__ == "__main__":
    sys.exit(main())

"""The test runner that Django's `runtests.py` uses: it knows the expected failures and which tests have the schema on
search_path, has every statement of the others judged, and writes down what came of each.

An expected failure is reported as unittest reports one; one that passes is an unexpected success, which fails the run.
"""

import json
import os
import unittest
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.backends.postgresql.base import Database
from django.db.migrations.recorder import MigrationRecorder
from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases

from tests.audit.capture import StatementAudit

from . import search_path
from .expectations import Regime, expected_failures, regime_of, regimes
from .labels import TIMINGS
from .placing import databases, mode

__all__ = ["SuiteResult", "SuiteRunner"]


class SuiteResult(unittest.TextTestResult):
    """Tells expected failures from others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expectations = expected_failures(django.VERSION[:2], mode())
        self.regimes = regimes(django.VERSION[:2], mode())
        self.failed_as_expected: set[str] = set()
        self.seen: set[str] = set()
        self.on_search_path: Counter[Regime] = Counter()
        self.audit = StatementAudit()
        self.audit.install()
        self._within = ExitStack()

    def startTest(self, test: unittest.TestCase) -> None:
        self.seen.add(test.id())
        super().startTest(test)
        regime = regime_of(test.id(), self.regimes)
        if regime is not None and _databases_of(test):
            self.on_search_path[regime] += 1
            self._within = search_path.within(regime, _hosting(test))
            if not connections["default"].in_atomic_block:
                self._within.callback(search_path.Leftovers().remove)

    def stopTest(self, test: unittest.TestCase) -> None:
        self._within.close()
        violations = self.audit.take()
        if violations and regime_of(test.id(), self.regimes) is None:
            error = AssertionError("\n".join(map(str, violations)))
            self.addFailure(test, (AssertionError, error, None))
        super().stopTest(test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        if not self._is_expected(test, err):
            super().addFailure(test, err)

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        if not self._is_expected(test, err):
            super().addError(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is None or not self._is_expected(test, err):
            super().addSubTest(test, subtest, err)

    def addSuccess(self, test: unittest.TestCase) -> None:
        if test.id() in self.expectations:
            self.addUnexpectedSuccess(test)
        else:
            super().addSuccess(test)

    def _is_expected(self, test: unittest.TestCase, err: Any) -> bool:
        """Tell whether a test is expected to fail, and note that it did. A test with subtests may fail often."""
        name = test.id()
        if name not in self.expectations:
            return False
        if name not in self.failed_as_expected:
            self.failed_as_expected.add(name)
            self.addExpectedFailure(test, err)
        return True

    def report(self, left_out: int) -> dict[str, Any]:
        """What came of the run, for the process that started it."""
        # Of a subtest, the test that it is part of.
        unexpected = [getattr(test, "test_case", test).id() for test, _ in (*self.failures, *self.errors)]
        return {
            "driver": f"{Database.__name__} {Database.__version__}",
            "run": self.testsRun,
            "skipped": len(self.skipped),
            "left_out": left_out,
            "on_search_path": self.on_search_path,
            "statements": self.audit.counts.statements,
            "distinct": self.audit.counts.distinct,
            "expected": sorted(self.failed_as_expected),
            "unexpected": sorted(set(unexpected)),
            "passed": sorted(test.id() for test in self.unexpectedSuccesses),
            "seen": sorted(self.seen.intersection(self.expectations)),
        }


class SuiteRunner(DiscoverRunner):
    """Django's runner, for the databases that the mode has."""

    left_out = 0

    def load_tests_for_label(self, label: str, discover_kwargs: dict[str, Any]) -> Iterable[unittest.TestCase]:
        """Load the tests of a label that need no other databases than those of the environment."""
        tests = list(iter_test_cases(super().load_tests_for_label(label, discover_kwargs)))
        tests = [test for test in tests if test.id() not in TIMINGS]
        fitting = [test for test in tests if _databases_of(test).issubset(databases())]
        self.left_out += len(tests) - len(fitting)
        known = regimes(django.VERSION[:2], mode())
        for test_class in {type(test) for test in fitting}:
            _keep_commands(test_class)
            regime = regime_of(f"{test_class.__module__}.{test_class.__qualname__}", known)
            if regime is not None and _hosting(test_class):
                search_path.surround_class(test_class, regime, _hosting(test_class))
        return self.test_suite(fitting)

    def setup_databases(self, **kwargs: Any) -> list[tuple[Any, str, bool]]:
        """Make the databases, and see to it that an unqualified name of a table can't be found in them."""
        config: list[tuple[Any, str, bool]] = super().setup_databases(**kwargs)
        tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
        for connection, _, _ in config:
            # Tests that migrate in the tables of no environment take it for granted that these have been migrated.
            MigrationRecorder(connection).ensure_schema()
            if visible := tables.intersection(connection.introspection.table_names()):
                raise RuntimeError(f"On search_path of {connection.alias!r}: {', '.join(sorted(visible))}")
        return config

    def run_checks(self, databases: Iterable[str]) -> None:
        """Run the system checks, but for one: APPS names all apps there could be, installed or not."""
        settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "django_schemas.E009"]
        super().run_checks(databases)

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        """The class that tells expected failures from others."""
        return SuiteResult

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> int:
        """Write down what came of each test, and count what fails the run."""
        Path(os.environ["DJANGO_SUITE_REPORT"]).write_text(json.dumps(result.report(self.left_out)))
        return super().suite_result(suite, result, **kwargs)


def _databases_of(test: unittest.TestCase | type[unittest.TestCase]) -> set[str]:
    named = getattr(test, "databases", None) or ()
    return set(settings.DATABASES) if named == "__all__" else set(named)


def _hosting(test: unittest.TestCase | type[unittest.TestCase]) -> set[str]:
    """Those of a test's databases that host the environment."""
    return _databases_of(test).intersection(databases())


def _keep_commands(test_class: type[unittest.TestCase]) -> None:
    """Let our commands be found where a test leaves only some of the apps installed."""
    available = getattr(test_class, "available_apps", None)
    if available is not None and __package__ not in available:
        test_class.available_apps = [__package__, "django_schemas", *available]

"""The pytest plugin: a test fails if a statement that was sent in it, in one of its fixtures or by a process that it
started breaks a rule. How much was seen stands in the summary.
"""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .capture import StatementAudit
from .processes import VARIABLE, Reports

_AUDIT = pytest.StashKey[StatementAudit]()
_REPORTS = pytest.StashKey[Reports]()


def pytest_configure(config: pytest.Config) -> None:
    """Look from now on, here and in the processes that are started."""
    config.stash[_AUDIT] = StatementAudit()
    config.stash[_AUDIT].install()
    file, name = tempfile.mkstemp(prefix="statement-audit-")
    os.close(file)
    os.environ[VARIABLE] = name
    config.stash[_REPORTS] = Reports(Path(name))
    config.add_cleanup(config.stash[_REPORTS].file.unlink)


def _judge(item: pytest.Item) -> Generator[None, Any, Any]:
    result = yield
    found = [*item.config.stash[_AUDIT].take(), *item.config.stash[_REPORTS].take()]
    if found:
        pytest.fail("\n".join(map(str, found)), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Judge what fixtures sent."""
    return (yield from _judge(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Judge what the test sent."""
    return (yield from _judge(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Judge what fixtures sent as they ended."""
    return (yield from _judge(item))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how much was seen."""
    reports = config.stash[_REPORTS]
    terminalreporter.write_sep("-", "statement audit")
    terminalreporter.write_line(f"{config.stash[_AUDIT].counts}")
    terminalreporter.write_line(f"{reports.processes} other processes: {reports.counts}")

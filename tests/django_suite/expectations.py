"""The failures that are expected, as `expected_failures.toml` lists them for versions of Django and modes."""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .placing import Mode

__all__ = ["Expectation", "Kind", "load"]

_FILE = Path(__file__).with_name("expected_failures.toml")


class Kind(StrEnum):
    """Why a test of Django's may fail here."""

    SQL_TEXT = "sql-text"
    SEARCH_PATH = "search-path"
    CONTRACT = "contract"
    INTERNALS = "internals"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Expectation:
    """Tests that are expected to fail.

    Attributes:
        kind: why, in a word.
        reason: why, in a line.
        tests: their names, as unittest has them.
        django: versions, as in "5.2", in which they fail; all if empty.
        modes: modes in which they fail; all if empty.
    """

    kind: Kind
    reason: str
    tests: tuple[str, ...]
    django: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ()


def load(version: tuple[int, int], mode: Mode) -> dict[str, Expectation]:
    """What is expected to fail in a version of Django and a mode, by the name of the test."""
    entries = [_parse(**entry) for entry in tomllib.loads(_FILE.read_text())["failures"]]
    fitting = [
        entry
        for entry in entries
        if (not entry.django or "{}.{}".format(*version) in entry.django) and (not entry.modes or mode in entry.modes)
    ]
    return {test: entry for entry in fitting for test in entry.tests}


def _parse(
    kind: str, reason: str, tests: list[str], django: list[str] | None = None, modes: list[str] | None = None
) -> Expectation:
    return Expectation(Kind(kind), reason, tuple(tests), tuple(django or ()), tuple(Mode(mode) for mode in modes or ()))

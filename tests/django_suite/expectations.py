"""What is known of single tests: failures that are expected, and tests that run with the schema on search_path.

`expected_failures.toml` and `search_path.toml` list them, for versions of Django and modes, each with its reason.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from .placing import Mode

__all__ = ["Expectation", "Kind", "Regime", "expected_failures", "regime_of", "regimes"]

_FOLDER = Path(__file__).parent


class Kind(StrEnum):
    """Why a test of Django's may fail here."""

    SQL_TEXT = "sql-text"
    SEARCH_PATH = "search-path"
    CONTRACT = "contract"
    INTERNALS = "internals"
    OURS = "ours"


class Regime(StrEnum):
    """Why a test has the schema on search_path."""

    RAW_SQL = "raw-sql"
    MIGRATING = "migrating"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A failure that is expected.

    Attributes:
        kind: why, in a word.
        reason: why, in a line.
    """

    kind: Kind
    reason: str


def expected_failures(version: tuple[int, int], mode: Mode) -> dict[str, Expectation]:
    """What is expected to fail in a version of Django and a mode, by the name of the test."""
    return {
        test: Expectation(Kind(entry["kind"]), entry["reason"])
        for entry in _fitting("expected_failures.toml", "failures", version, mode)
        for test in entry["tests"]
    }


def regimes(version: tuple[int, int], mode: Mode) -> dict[str, Regime]:
    """Which tests have the schema on search_path, by the name of the test, its class, module or app."""
    return {
        name: Regime(entry["regime"])
        for entry in _fitting("search_path.toml", "tests_on_search_path", version, mode)
        for name in entry["tests"]
    }


def regime_of(test: str, known: Mapping[str, Regime]) -> Regime | None:
    """The regime of a test, by its own name or the nearest that it is part of."""
    name = test
    while name:
        if name in known:
            return known[name]
        name = name.rpartition(".")[0]
    return None


def _fitting(file: str, key: str, version: tuple[int, int], mode: Mode) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((_FOLDER / file).read_text())[key]
    return [
        entry
        for entry in entries
        if "{}.{}".format(*version) in entry.get("django", ["{}.{}".format(*version)])
        and mode in entry.get("modes", list(Mode))
    ]

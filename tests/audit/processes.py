"""Audits the processes that tests start. Their settings call `audit_process()`, which writes to the file that an
environment variable names; the plugin sets the variable and reads the file.
"""

import atexit
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .capture import Counts, StatementAudit, Violation

__all__ = ["VARIABLE", "Reports", "audit_process"]

VARIABLE = "STATEMENT_AUDIT"


class _Told(list[Violation]):
    """A list that writes down what it is given, since a process may be killed at any time."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __iadd__(self, found: Any) -> "_Told":
        for violation in found:
            _write(self.file, {"violation": asdict(violation)})
        return self


def audit_process() -> None:
    """Audit this process, if a test started it."""
    file = os.environ.get(VARIABLE)
    if file is not None:
        audit = StatementAudit(found=_Told(Path(file)))
        audit.install()
        atexit.register(lambda: _write(Path(file), {"counts": asdict(audit.counts)}))


@dataclass
class Reports:
    """What processes wrote.

    Attributes:
        file: that they write to.
        processes: how many came to their end.
        counts: of these.
    """

    file: Path
    processes: int = 0
    counts: Counts = field(default_factory=Counts)
    _read: int = 0

    def take(self) -> list[Violation]:
        """Return the violations that were written since this was called last."""
        found = []
        for line in self._lines():
            if "violation" in line:
                found.append(Violation(**line["violation"]))
            else:
                self.processes += 1
                self.counts = Counts(
                    **{name: number + line["counts"][name] for name, number in asdict(self.counts).items()}
                )
        return found

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self.file.open("rb") as file:
            file.seek(self._read)
            lines = file.readlines()
            self._read = file.tell()
        return map(json.loads, lines)


def _write(file: Path, line: dict[str, Any]) -> None:
    with file.open("a") as report:
        report.write(json.dumps(line) + "\n")

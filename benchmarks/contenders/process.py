"""Starts a contender as a process of its own, and gives it orders."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["ContenderFailed", "Process"]


class ContenderFailed(Exception):
    """A contender's process ended; what it says of that is above."""


class Process:
    """A contender that runs.

    Args:
        name: of its package.
        url: of its database.
        environment: further variables of its environment.
    """

    def __init__(self, name: str, url: str, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contenders.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DATABASE_URL": url, **(environment or {})},
        )

    def order(self, do: str, **arguments: Any) -> Any:
        """Have it do something, and return its answer.

        Raises:
            ContenderFailed: it could not.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise ContenderFailed(f"Contender {self.name!r} failed to {do}: see its traceback above.")
        return json.loads(answer)

    def end(self) -> None:
        """End it: there are no more orders."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()

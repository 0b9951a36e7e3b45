"""Telling what is going on, a line for each step."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

T = TypeVar("T")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def done(what: str, step: Callable[[], T]) -> T:
    """Take a step, and say that it is done and how long it took."""
    started = time.perf_counter()
    result = step()
    console.print(f"[green]✓[/] {what} [dim]{time.perf_counter() - started:.2f} s[/]")
    return result

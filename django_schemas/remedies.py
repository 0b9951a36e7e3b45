"""Remedies: what is said to do where no schema is named, or the wrong command is typed.

Called where messages are made. A package that is built on this one knows better ways for its environment.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Remedies", "further", "remedies_for", "use"]


@dataclass(frozen=True, slots=True)
class Remedies:
    """What to type.

    Attributes:
        migrate: how schemas of the environment are migrated.
        run: how another command is run in a schema; empty: there is no way.
    """

    migrate: str = "migrate_schema"
    run: str = ""


_chosen: list[Callable[[str], Remedies | None]] = []


def use(choose: Callable[[str], Remedies | None]) -> None:
    """Have a function say what to type for an environment, by its name; None: what this package says itself."""
    _chosen[:] = [choose]


def remedies_for(environments: Iterable[str]) -> Remedies:
    """What to type for the first of these environments that there is something to say of."""
    return next(filter(None, (choose(name) for choose in _chosen for name in environments)), Remedies())


def further(environments: Iterable[str]) -> str:
    """Sentences for the end of a message that no schema is active."""
    run = remedies_for(environments).run
    in_command = f" In a command: {run}." if run else ""
    elsewhere = threading.current_thread() is not threading.main_thread()
    in_thread = " A new thread begins with none: hand it wrap_context(function)." if elsewhere else ""
    return in_command + in_thread

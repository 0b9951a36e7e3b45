"""How long the whole command takes from a cold start: ours over the fleet, and Django's own `migrate` beside it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter

from .arena import Arena
from .databases import Databases
from .figures import LIMIT, OURS, Figure

__all__ = ["measure"]


def measure(arena: Arena, databases: Databases, schemas: int, repeats: int) -> Iterator[Figure]:
    """Start both in turn, with nothing to do; yield seconds."""
    plain = databases.make(f"plain_{schemas}")
    arena.process(OURS).order("register", names=arena.names(schemas))
    commands = {
        "plain": (plain, LIMIT, ("migrate", "--no-input")),
        OURS: (arena.url(OURS), OURS, ("tenant", "migrate", "--all")),
    }
    _run(*commands["plain"])
    times_s: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            start_s = perf_counter()
            _run(*command)
            times_s[name].append(perf_counter() - start_s)
    for name, values in times_s.items():
        yield Figure("starting", "a new process, nothing to do", name, values, "s", schemas=schemas)


def _run(url: str, contender: str, command: Sequence[str]) -> None:
    settings = f"benchmarks.contenders.{contender}.settings"
    subprocess.run(
        [sys.executable, "-m", "django", *command],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": settings},
        stdout=subprocess.DEVNULL,
        check=True,
    )

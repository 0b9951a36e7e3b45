"""A contender as a process: `python -m benchmarks.contenders.worker NAME`, with DATABASE_URL and the rest in its
environment. `process` starts it.

Orders come as JSON, one a line, on standard input; each is answered by a line of JSON on standard output. An error ends
the process, with a traceback on standard error.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from resource import getpagesize
from time import perf_counter
from typing import Any

import django
from django.core.wsgi import get_wsgi_application
from django.db.migrations.loader import MigrationLoader

from ..calling import environ, time_wsgi
from .contender import Contender


def main() -> None:
    """Do what is ordered until nothing more is."""
    # What a contender prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    package = f"benchmarks.contenders.{sys.argv[1]}"
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{package}.settings"
    django.setup()
    # Reads all migrations from disk, once: that is how Django starts, and no contender's own work.
    MigrationLoader(None)
    worker: Contender = import_module(f"{package}.work").Worker()
    for line in sys.stdin:
        order = json.loads(line)
        answer = ORDERS[order.pop("do")](worker, **order)
        print(json.dumps(answer), file=answers, flush=True)


def set_up(worker: Contender) -> Sequence[str]:
    """Make what comes before the first tenant; answer the ways of making one."""
    worker.set_up()
    return worker.ways


def provision(worker: Contender, names: Sequence[str], way: str) -> list[float]:
    """Make tenants; answer milliseconds for each."""
    worker.prepare(way, len(names))
    return [_clocked_ms(worker.provision, name) for name in names]


def fleet(worker: Contender, processes: int) -> dict[str, float | None]:
    """Migrate all tenants; answer how long it took, and how much memory this process took at its peak."""
    worker.ready(processes)
    gc.collect()
    before_mb = _resident_mb()
    ms = _clocked_ms(worker.migrate, processes)
    return {"ms": ms, "peak_mb": None if before_mb is None else _peak_mb() - before_mb}


WARM_UP = 10
"""Requests that are not timed: a process that was idle begins slowly."""


def visit(worker: Contender, hosts: Sequence[str], warm_up: int = WARM_UP) -> list[float]:
    """Serve a request for each of some hosts; answer their microseconds."""
    first = hosts[:warm_up]
    environs = [environ(host, "/1/") for host in (*first, *hosts)]
    return [round(time_s * 1e6, 1) for time_s in time_wsgi(_handler(), environs)[len(first) :]]


@cache
def _handler() -> Any:
    return get_wsgi_application()


def other(name: str) -> Callable[..., Any]:
    """An order that is a method."""

    def order(worker: Contender, **arguments: Any) -> Any:
        return getattr(worker, name)(**arguments)

    return order


ORDERS: dict[str, Callable[..., Any]] = {
    "set_up": set_up,
    "provision": provision,
    "fleet": fleet,
    "open": other("open"),
    "visit": visit,
    "register": other("register"),
    "learn": other("learn"),
    "command": other("command"),
    "look_up": other("look_up"),
    "page": other("page"),
    "touch": other("touch"),
}


def _clocked_ms(function: Callable[..., None], *arguments: Any) -> float:
    start_s = perf_counter()
    function(*arguments)
    return round((perf_counter() - start_s) * 1e3, 3)


def _resident_mb() -> float | None:
    """Megabytes of this process in memory, and have the peak be counted from here on. None where Linux is not."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 1e6


def _peak_mb() -> float:
    """The most megabytes of this process in memory since then."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()

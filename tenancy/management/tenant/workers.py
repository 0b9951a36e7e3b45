"""Doing something to many tenants: one after the other, or in processes beside each other.

Processes, not threads: migrating is work of Python's, which threads would do by turns, and what a command prints can
be told apart by process only.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import django
from django.db import connections

from ...events import acting, actor
from ...models import AbstractTenant

__all__ = ["Outcome", "do_all"]

Function = Callable[[AbstractTenant], str | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one tenant.

    Attributes:
        slug: whose.
        done: what was done, in words; empty if nothing was.
        error: why not; empty if it was.
    """

    slug: str
    done: str = ""
    error: str = ""


def do_all(tenants: Sequence[AbstractTenant], function: Function, processes: int = 1) -> Iterator[Outcome]:
    """Do something to each tenant; yield what became of each as soon as it is known.

    Args:
        tenants: to whom.
        function: returns what it did, or None for the tenant's status. With several processes it must be of a module's
            top level, so that it can be sent to them.
        processes: how many work at a time, each with connections of its own.
    """
    if processes < 2 or len(tenants) < 2:
        for tenant in tenants:
            yield _do(function, tenant)
        return
    settings = {alias: connections[alias].settings_dict for alias in connections}
    # Started afresh: a copy of this process would share its connections, and has none of its threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(tenants)), context, _start, (settings, actor())) as pool:
        futures = {pool.submit(_do, function, tenant): tenant for tenant in tenants}
        for future in as_completed(futures):
            try:
                yield future.result()
            except Exception as error:  # The process died, or can't be told what to do.
                yield Outcome(futures[future].slug, error=f"{type(error).__name__}: {error}")


def _do(function: Function, tenant: AbstractTenant) -> Outcome:
    try:
        return Outcome(tenant.slug, function(tenant) or tenant.status)
    except Exception as error:
        return Outcome(tenant.slug, error=f"{type(error).__name__}: {error}".strip())
    finally:
        if multiprocessing.parent_process() is not None:
            connections.close_all()


def _start(settings: dict[str, dict[str, Any]], who: str) -> None:
    """Make a new process ready: with the databases that its parent uses, acting for whom it acts."""
    django.setup()
    for alias, values in settings.items():
        connections[alias].settings_dict.update(values)
    acting(who).__enter__()

"""Doing something to many tenants: one after the other, or in processes beside each other.

Processes, not threads: what a command prints, and where it reads from, can be told apart by process only.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import connections

from django_schemas.recycling import recycle
from django_schemas.workers import Died, do

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
    for tenant, outcome in do(_Queue(tenants), partial(_do, function, actor()), min(processes, len(tenants))):
        if isinstance(outcome, Died):
            outcome = Outcome(tenant.slug, error=f"The process that did it died ({outcome.how}).")
        yield outcome


class _Queue:
    """The tenants, one after the other."""

    def __init__(self, tenants: Sequence[AbstractTenant]) -> None:
        self._left = deque(tenants)

    stopped = False

    def take(self) -> AbstractTenant | None:
        """The next one."""
        return self._left.popleft() if self._left else None

    def due_s(self) -> float | None:
        """When there will be one."""
        return 0.0 if self._left else None


def _do(function: Function, who: str, tenant: AbstractTenant) -> Iterator[Outcome]:
    """Do it, acting for whoever asked for it."""
    try:
        with acting(who):
            outcome = Outcome(tenant.slug, function(tenant) or tenant.status)
    except Exception as error:
        outcome = Outcome(tenant.slug, error=f"{type(error).__name__}: {error}".strip())
    yield outcome
    recycle(connections[tenant.db])

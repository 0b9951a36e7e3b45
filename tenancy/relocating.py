"""Relocating: moves many tenants to other databases or nodes, one after the other or several at a time.

Each is moved by `lifecycle.move`, or `lifecycle.node_move`, so no write is lost, and what was cut off is gone on with.
One that can't be moved is told of, and the rest goes on. Where a database does not answer, what needs it is not begun.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Literal

from django.db import connections

from django_schemas.nodes import homes_on
from django_schemas.workers import Died, do

from .databases import silent
from .events import acting, actor
from .lifecycle.move import KIND, move, resume_move
from .lifecycle.node_move import move_to_node
from .models import AbstractTenant
from .provisioning import reason_of
from .work import working_on

__all__ = ["Errand", "Relocated", "State", "relocate"]

State = Literal["moved", "failed", "left"]
"""Moved, be it by somebody else; it could not be moved; it was not tried."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A tenant that is to be moved.

    Attributes:
        tenant: which.
        old: alias of the database that it is to leave.
        new: alias of the one that it is to be moved to; empty if there is none.
        refusal: why it is not to be moved after all; empty if it is.
        nodes: addresses of the nodes of Citus that it is to leave, and to be moved to, within one database.
    """

    tenant: AbstractTenant
    old: str
    new: str
    refusal: str = ""
    nodes: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Relocated:
    """What became of a tenant that was to be moved.

    Attributes:
        slug: whose.
        old: alias of the database, or address of the node, that it was to leave.
        new: of the one that it is in now, or was to be moved to.
        state: see `State`.
        error: why it was not moved; empty if it was.
        rows: how many were copied; None if it was not moved now, or to another node.
        gap_s: how long it was not served, in seconds; None if it was not moved now.
        seconds: how long it took.
    """

    slug: str
    old: str
    new: str
    state: State
    error: str = ""
    rows: int | None = None
    gap_s: float | None = None
    seconds: float = 0.0


def relocate(
    errands: Callable[[dict[str, str]], Iterator[Errand]], processes: int = 1
) -> Generator[tuple[AbstractTenant, Relocated], None, None]:
    """Move tenants; yield what became of each as soon as it is known.

    Args:
        errands: is given the databases that do not answer, each with the reason, to which those are added that are
            found out; returns what is to be done, which is asked for one by one.
        processes: how many work at a time.
    """
    away: dict[str, str] = {}
    for errand, outcome in do(_Errands(errands(away), away, processes > 1), partial(_run, actor()), processes):
        if isinstance(outcome, Died):
            error = f"The process that moved it died ({outcome.how}): say it again, and that goes on."
            outcome = Relocated(errand.tenant.slug, errand.old, errand.new, "failed", error)
        if outcome.state == "failed":
            away |= silent({errand.old, errand.new} - {"", *away})
        yield errand.tenant, outcome


class _Errands:
    """What is to be done, of which that is not begun which needs a database that does not answer."""

    stopped = False

    def __init__(self, errands: Iterator[Errand], away: dict[str, str], idles: bool) -> None:
        self._errands = errands
        self._away = away
        self._idles = idles

    def take(self) -> Errand | None:
        """The next one."""
        if self._idles:
            # Nobody has used them since the last one, and the server, or what is in between, may have ended them.
            connections.close_all()
        errand = next(self._errands, None)
        if errand is None or errand.refusal:
            return errand
        dead = next((db for db in (errand.old, errand.new) if db in self._away), None)
        return replace(errand, refusal=f"Database {dead!r} does not answer: {self._away[dead]}") if dead else errand

    def due_s(self) -> float | None:
        """None: nothing has to be waited for."""
        return None


_Done = tuple[str, int | None, float | None]
"""Where a tenant is now, how many rows were copied, how long it was not served; None if it was not moved now."""


def _run(who: str, errand: Errand) -> Iterator[Relocated]:
    """Run an errand, acting for whoever asked for it."""
    begun_s = monotonic()
    old, new = errand.nodes or (errand.old, errand.new)
    told = partial(Relocated, errand.tenant.slug, old)
    if errand.refusal:
        yield told(new, "left" if new else "failed", errand.refusal)
        return
    try:
        with acting(who):
            done = _to_node(errand.tenant, old, new) if errand.nodes else _to_database(errand.tenant, old, new)
    except _Purged:
        return
    except Exception as error:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()
        yield told(new, "failed", reason_of(error), seconds=monotonic() - begun_s)
        return
    where, rows, gap_s = done
    yield told(where, "moved", rows=rows, gap_s=gap_s, seconds=monotonic() - begun_s)


class _Purged(Exception):
    """The tenant is gone, so nobody has to move it."""


@contextmanager
def _working_on(tenant: AbstractTenant) -> Iterator[None]:
    """Keep others from working on a tenant during a block, and read it anew."""
    with working_on(tenant.slug):
        try:
            tenant.refresh_from_db()
        except type(tenant).DoesNotExist as error:
            raise _Purged from error
        yield


def _to_database(tenant: AbstractTenant, old: str, new: str) -> _Done:
    """Go on with its move, if one was cut off; then move it, if it is not elsewhere already."""
    with _working_on(tenant):
        moved = resume_move(tenant) if tenant.work is not None and tenant.work["kind"] == KIND else None
        if tenant.db == old:
            moved = move(tenant, new)
    return (tenant.db, moved.rows, moved.gap_s) if moved else (tenant.db, None, None)


def _to_node(tenant: AbstractTenant, old: str, new: str) -> _Done:
    """Move it, if it is not on another node already."""
    with _working_on(tenant):
        home = homes_on(tenant.db, [tenant.schema_name]).get(tenant.schema_name, tenant.db)
        return (move_to_node(tenant, new).new, None, 0.0) if home == old else (home, None, None)

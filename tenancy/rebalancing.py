"""Rebalancing: evens out what databases bear, by their weights, with few moves.

A plan is made from what is there, by `balance`, and carried out by moves; whoever was cut off plans anew and goes on.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite
from typing import Any

from django.db import router
from django.db.models import Q, QuerySet
from django.utils.module_loading import import_string

from django_schemas.exceptions import ConfigError

from .balance import Burden, Transfer, even_out, loads_of
from .conf import conf
from .databases import silent
from .exceptions import MoveRefused
from .lifecycle.move import KIND
from .lifecycle.sizes import bytes_of, rows_of
from .models import AbstractTenant
from .provisioning import reason_of
from .registry import tenant_model
from .relocating import Errand, Relocated, relocate
from .states import Status

__all__ = ["By", "Plan", "Share", "apply", "plan"]

By = str | Callable[[AbstractTenant], float]
"""What is evened out: `"size"` (bytes on disk), `"rows"` (about), `"tenants"`, or what tells the load of a tenant, or
its dotted path.
"""


@dataclass(frozen=True, slots=True)
class Share:
    """What a database bears, and what it would by a plan.

    Attributes:
        db: its alias.
        weight: its weight.
        share: the load that is its by that.
        load: the load that it has.
        load_then: the load that it would have.
        tenants: how many tenants it has.
        tenants_then: how many it would have.
    """

    db: str
    weight: float
    share: float
    load: float
    load_then: float
    tenants: int
    tenants_then: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be moved.

    Attributes:
        databases: those that are evened out, in the order of the settings.
        moves: first those that were cut off, then the others, in the order that they are made in.
        tenants: those that are moved, by slug.
    """

    databases: tuple[Share, ...]
    moves: tuple[Transfer, ...]
    tenants: Mapping[str, AbstractTenant]


def plan(
    by: By = "size", *, tolerance: float = 10.0, limit: int | None = None, databases: Collection[str] = ()
) -> Plan:
    """Find out which moves even out what databases bear. Nothing is changed.

    Active and suspended tenants count, and those that are being moved, where they go. The same state of affairs gives
    the same plan; right behind its moves it is empty.

    Args:
        by: what is evened out.
        tolerance: by how many percent of its share a database may be off.
        limit: how many moves at most; all if None.
        databases: among which databases; those of `TENANCY["DATABASES"]` that weigh more than 0 if empty.

    Raises:
        ConfigError: a database is not one of these, or there is none, or `by` can't tell the load of a tenant.
        MoveRefused: a database does not answer, so nobody knows what it bears.
    """
    wanted = tuple(db for db in conf.databases if not databases or db in databases)
    for db in databases:
        if db not in wanted:
            raise ConfigError(
                f"{db!r} is none of TENANCY['DATABASES'] that weigh more than 0: {', '.join(conf.databases)}."
            )
    if not wanted:
        raise ConfigError("There is nothing to even out: TENANCY['DATABASES'] names none, or all of them weigh 0.")
    for db, reason in silent(wanted).items():
        raise MoveRefused(f"Database {db!r} does not answer, so nobody knows what it bears: {reason}")
    tenants = {tenant.slug: tenant for tenant in _tenants(wanted)}
    burdens = _burdens(list(tenants.values()), by)
    begun = [
        Transfer(each.slug, tenant.work["from"], each.db, each.load, each.size)
        for each in burdens
        if (tenant := tenants[each.slug]).work is not None and tenant.work["kind"] == KIND
    ]
    weights = {db: conf.weights[db] for db in wanted}
    moves = [*begun, *even_out(burdens, weights, tolerance)][:limit]
    return Plan(_shares(burdens, weights, moves), tuple(moves), {each.slug: tenants[each.slug] for each in moves})


def apply(plan: Plan, processes: int = 1) -> Generator[tuple[AbstractTenant, Relocated], None, None]:
    """Carry out a plan; yield each tenant with what became of it. One that can't be moved does not stop the rest.

    Args:
        plan: made just now. One that was carried out to a part is left to itself: make another.
        processes: how many tenants are moved at a time.
    """

    def errands(away: dict[str, str]) -> Iterator[Errand]:
        for each in plan.moves:
            yield Errand(plan.tenants[each.slug], each.old, each.new)

    return relocate(errands, processes)


def _tenants(dbs: Collection[str]) -> QuerySet[AbstractTenant]:
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model)).order_by("slug")
    served = rows.filter(status__in=(Status.ACTIVE, Status.SUSPENDED, Status.MOVING))
    return served.filter(Q(db__in=dbs) | Q(work__kind=KIND, work__to__in=list(dbs)))


def _burdens(tenants: Sequence[AbstractTenant], by: By) -> list[Burden]:
    """What each tenant means to the database that it is in, or goes to."""
    load = _loading(by, tenants)
    sizes = bytes_of([tenant.placement for tenant in tenants], about=by != "size")
    return [
        Burden(
            tenant.slug,
            tenant.work["to"] if tenant.work is not None and tenant.work["kind"] == KIND else tenant.db,
            sizes[tenant.placement] if by == "size" else _sound(tenant, load),
            sizes[tenant.placement],
            fixed=tenant.work is not None,
        )
        for tenant in tenants
    ]


def _loading(by: By, tenants: Sequence[AbstractTenant]) -> Callable[[AbstractTenant], Any]:
    """What tells the load of each tenant."""
    if by == "rows":
        rows = rows_of([tenant.placement for tenant in tenants])
        return lambda tenant: rows[tenant.placement]
    if by in ("tenants", "size"):
        return lambda tenant: 1
    try:
        function = import_string(by) if isinstance(by, str) else by
    except ImportError as error:
        raise ConfigError(f"{by!r} is neither size, rows nor tenants, and can't be loaded: {error}") from error
    if not callable(function):
        raise ConfigError(f"{by!r} can't be called.")
    found: Callable[[AbstractTenant], Any] = function
    return found


def _sound(tenant: AbstractTenant, load: Callable[[AbstractTenant], Any]) -> float:
    try:
        told = load(tenant)
        sound = isinstance(told, int | float | Decimal) and not isinstance(told, bool) and isfinite(told) and told >= 0
    except Exception as error:
        raise ConfigError(f"The load of tenant {tenant.slug!r} can't be told: {reason_of(error)}") from error
    if not sound:
        raise ConfigError(f"The load of tenant {tenant.slug!r} is {told!r}; it is a number, 0 or more.")
    return told if isinstance(told, int) else float(told)


def _shares(burdens: Sequence[Burden], weights: Mapping[str, float], moves: Sequence[Transfer]) -> tuple[Share, ...]:
    alike = [replace(each, load=1) for each in burdens]
    now, then = loads_of(burdens, weights), loads_of(burdens, weights, moves)
    tenants, tenants_then = loads_of(alike, weights), loads_of(alike, weights, moves)
    unit = sum(now.values()) / sum(weights.values())
    return tuple(
        Share(db, weight, unit * weight, now[db], then[db], int(tenants[db]), int(tenants_then[db]))
        for db, weight in weights.items()
    )

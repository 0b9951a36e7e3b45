"""The fleet: brings all tenants' schemas to the newest migrations, and tells how far they are.

The work is done by `django_schemas.fleet`; what is added here is who the schemas belong to, that nobody else works on a
tenant meanwhile, and what the registry keeps of it.
"""

from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import get_ident
from time import monotonic
from typing import Any

from django.db import InterfaceError, OperationalError, router
from django.db.backends.base.base import BaseDatabaseWrapper

from django_schemas import drift, fleet
from django_schemas.alias import SchemaAlias
from django_schemas.apart import hung_up_by
from django_schemas.exceptions import SchemaLocked
from django_schemas.fleet import Outcome
from django_schemas.history import Point
from django_schemas.placement import Placement
from django_schemas.records import Key, Records

from . import standing
from .conf import conf
from .exceptions import TenantNotActive
from .models import AbstractTenant
from .registry import tenant_model
from .states import Status
from .work import lock_connection, working_on_each

__all__ = ["behind_at", "has_schema", "migrate_tenants", "plan_for"]

_WITHOUT_SCHEMA = (Status.PROVISIONING, Status.DELETING, Status.GONE)
_NOT_MIGRATED = (Status.PROVISIONING, Status.MOVING, Status.DELETING, Status.GONE)


def migrate_tenants(
    tenants: Sequence[AbstractTenant], points: Sequence[Point] | None = None, **options: Any
) -> Generator[tuple[AbstractTenant, Outcome], None, None]:
    """Migrate tenants' schemas; yield what became of each as soon as it is known.

    Tenants that have no schema of their own just now, since they are made, moved or deleted, are not migrated.

    Args:
        tenants: whose.
        points: where they are to be, as (app label, migration name or None); at the newest migrations if None.
        options: `processes`, `lock_timeout`, `retry_for_s`, `canary`, `max_failures`: as for
            `django_schemas.fleet.migrate_fleet`.
    """
    ready, refused = _apart(tenants)
    yield from refused
    owners = {place: str(tenant.pk) for place, tenant in ready.items()}
    standings = _Standings()
    held = partial(_held, {place: tenant.slug for place, tenant in ready.items()})
    run = fleet.migrate_fleet([tenant.alias for tenant in ready.values()], points, owners=owners, held=held, **options)
    try:
        for outcome in run:
            tenant = ready[outcome.alias.placement]
            standings.add(tenant, outcome)
            yield tenant, outcome
    finally:
        run.close()
        _hang_up()
        standings.note()


def plan_for(
    tenants: Sequence[AbstractTenant], points: Sequence[Point] | None = None
) -> list[tuple[AbstractTenant, Outcome]]:
    """Tell what `migrate_tenants` would do: with each tenant the migrations that would be applied, or why not."""
    ready, refused = _apart(tenants)
    owners = {place: str(tenant.pk) for place, tenant in ready.items()}
    outcomes = fleet.look([tenant.alias for tenant in ready.values()], points, owners)
    return [*refused, *((ready[outcome.alias.placement], outcome) for outcome in outcomes)]


def has_schema(tenant: AbstractTenant) -> bool:
    """Whether a tenant has a schema at its placement; there is none yet, or it was set aside, or dropped."""
    return tenant.status not in _WITHOUT_SCHEMA


def behind_at(places: Collection[Placement]) -> dict[Placement, list[Key]]:
    """The migrations that schemas lack, by app and name. A schema without records is left out: it is not there, or its
    first migration failed.
    """
    by_db: defaultdict[str, list[str]] = defaultdict(list)
    for place in places:
        by_db[place.db].append(place.schema)
    return {
        Placement(db, schema): missing
        for db, schemas in by_db.items()
        for schema, missing in drift.behind(db, conf.environment, schemas).items()
    }


_NOTED_AT_ONCE = 500
_NOTED_EACH_S = 1.0


class _Standings:
    """Keeps the registry told of how far tenants are: many at a time, each second."""

    def __init__(self) -> None:
        self._waiting: list[AbstractTenant] = []
        self._known: defaultdict[Records, list[AbstractTenant]] = defaultdict(list)
        self._noted_s = monotonic()
        self._newest = standing.newest()

    def add(self, tenant: AbstractTenant, outcome: Outcome) -> None:
        """Take note of a tenant whose schema may be elsewhere than the registry says."""
        # One that failed may have come a part of the way.
        if outcome.records is not None:
            self._known[outcome.records].append(tenant)
        elif outcome.state in ("migrated", "failed") or tenant.migrated_to != self._newest:
            self._waiting.append(tenant)
        if len(self._waiting) >= _NOTED_AT_ONCE or monotonic() - self._noted_s >= _NOTED_EACH_S:
            self.note()

    def note(self) -> None:
        """Write down what was done, or what the schemas themselves say."""
        self._noted_s = monotonic()
        for records, those in self._known.items():
            stands = standing.of(records)
            standing.note([tenant for tenant in those if tenant.migrated_to != stands], stands)
        self._known.clear()
        by_db: defaultdict[str, dict[str, AbstractTenant]] = defaultdict(dict)
        for tenant in self._waiting:
            by_db[tenant.db][tenant.schema_name] = tenant
        self._waiting.clear()
        alike: defaultdict[tuple[tuple[str, str], ...], list[AbstractTenant]] = defaultdict(list)
        for db, tenants in by_db.items():
            try:
                read = standing.read(db, list(tenants))
            except (OperationalError, InterfaceError):
                # It does not answer: what the registry knew of them stays.
                continue
            for schema, stands in read.items():
                if stands and stands != tenants[schema].migrated_to:
                    alike[tuple(stands.items())].append(tenants[schema])
        for items, those in alike.items():
            standing.note(those, dict(items))


_lock_connections: dict[int, BaseDatabaseWrapper] = {}
"""What each thread holds tenants' locks on, for as long as it migrates them."""


def _hang_up() -> None:
    connection = _lock_connections.pop(get_ident(), None)
    if connection is not None:
        connection.close()


# Processes that are copied from this one would share it.
hung_up_by(_hang_up)


@contextmanager
def _held(slugs: Mapping[Placement, str], aliases: Sequence[SchemaAlias]) -> Iterator[Mapping[Placement, Exception]]:
    """Keep all others from working on the tenants of these schemas; tell which are not to be migrated after all.

    Args:
        slugs: what the tenants were called a while ago.
        aliases: the schemas.
    """
    thread = get_ident()
    if thread not in _lock_connections:
        _lock_connections[thread] = lock_connection()
    locked = {slugs[alias.placement] for alias in aliases}
    with ExitStack() as stack:
        busy = stack.enter_context(working_on_each(locked, _lock_connections[thread]))
        # Behind the locks: what was done to one before that stands in its row now.
        there = _tenants_at(aliases)
        if renamed := {slug for slug, _ in there.values()} - locked:
            stack.close()
            locked |= renamed
            busy = stack.enter_context(working_on_each(locked, _lock_connections[thread]))
            there = _tenants_at(aliases)
        refused: dict[Placement, Exception] = {}
        for place in (alias.placement for alias in aliases):
            slug, status = there.get(place, ("", ""))
            if not slug:
                refused[place] = TenantNotActive(f"No tenant is at {place} any more.")
            elif slug in busy or slug not in locked:
                refused[place] = SchemaLocked(f"Another process works on tenant {slug!r}.")
            elif status in _NOT_MIGRATED:
                refused[place] = TenantNotActive(_refusal(slug, status))
        yield refused


def _apart(
    tenants: Sequence[AbstractTenant],
) -> tuple[dict[Placement, AbstractTenant], list[tuple[AbstractTenant, Outcome]]]:
    """Those that may be migrated, by their places, and the others, each with why not."""
    refused = [tenant for tenant in tenants if tenant.status in _NOT_MIGRATED]
    return (
        {tenant.placement: tenant for tenant in tenants if tenant.status not in _NOT_MIGRATED},
        [
            (tenant, Outcome(tenant.alias, "failed", error=f"TenantNotActive: {_refusal(tenant.slug, tenant.status)}"))
            for tenant in refused
        ],
    )


def _tenants_at(aliases: Sequence[SchemaAlias]) -> dict[Placement, tuple[str, str]]:
    """Slug and status of each tenant whose schema is one of these."""
    model = tenant_model()
    wanted = {alias.placement for alias in aliases}
    found = model._default_manager.using(router.db_for_write(model)).filter(
        db__in={place.db for place in wanted}, schema_name__in=[place.schema for place in wanted]
    )
    rows = found.values_list("db", "schema_name", "slug", "status")
    return {place: (slug, status) for db, schema, slug, status in rows if (place := Placement(db, schema)) in wanted}


def _refusal(slug: str, status: str) -> str:
    return f"Tenant {slug!r} is {status}: its schema is not migrated."

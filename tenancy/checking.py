"""Checking: whether each tenant's schema is where the registry says, and as its migrations made it; and what lies about
that is no tenant's. Mends what can be mended without losing anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from django_schemas import drift, roles
from django_schemas.drift import Finding
from django_schemas.environments import databases_of
from django_schemas.making import SCRATCH
from django_schemas.placement import Placement
from django_schemas.schemas import Mark, drop_schema, marks_on

from .conf import conf
from .databases import in_one_line
from .exceptions import TenantBusy
from .filling import strays
from .models import AbstractTenant
from .pool import pooled_id
from .registry import tenant_model
from .states import Status
from .work import working_on

__all__ = ["Trouble", "find_debris", "find_trouble", "mend"]

_SETTLED = (Status.ACTIVE, Status.SUSPENDED)
"""Statuses of tenants whose schema is where the registry says."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be.

    Attributes:
        placement: where; a database alone, without a schema, if it is that which does not answer.
        finding: what.
        tenant: whose schema it is; None if it is nobody's.
    """

    placement: Placement
    finding: Finding
    tenant: AbstractTenant | None = None


def find_trouble(tenants: Iterable[AbstractTenant]) -> Iterator[Trouble]:
    """Look at tenants and their schemas, database by database."""
    by_database: defaultdict[str, list[AbstractTenant]] = defaultdict(list)
    for tenant in tenants:
        by_database[tenant.db].append(tenant)
    for db, there in by_database.items():
        yield from _if_it_answers(db, _trouble_in(db, there))


def _trouble_in(db: str, tenants: Sequence[AbstractTenant]) -> Iterator[Trouble]:
    marks = marks_on(db, conf.environment)
    sound = []
    for tenant in tenants:
        finding = _unfinished(tenant) or _misplaced(tenant, marks.get(tenant.schema_name))
        if finding is not None:
            yield Trouble(tenant.placement, finding, tenant)
        elif tenant.status in _SETTLED:
            sound.append(tenant)
    found = drift.find_drift(db, conf.environment, [tenant.schema_name for tenant in sound])
    without_role = roles.lacking(db, conf.environment, [tenant.schema_name for tenant in sound])
    for tenant in sound:
        if tenant.schema_name in without_role:
            yield Trouble(tenant.placement, _powerless(tenant), tenant)
        for finding in found[tenant.schema_name]:
            yield Trouble(tenant.placement, finding, tenant)


def find_debris() -> Iterator[Trouble]:
    """Look for schemas that were made for tenants and are at no tenant's placement."""
    tenants = {str(tenant.pk): tenant for tenant in tenant_model()._default_manager.all()}
    for db in databases_of(conf.environment):
        yield from _if_it_answers(db, _debris_in(db, tenants))


def _debris_in(db: str, tenants: Mapping[str, AbstractTenant]) -> Iterator[Trouble]:
    for schema, mark in marks_on(db, conf.environment).items():
        if pooled_id(schema, mark):
            continue
        finding = _debris(Placement(db, schema), tenants.get(mark.owner or ""), mark)
        if finding is not None:
            yield Trouble(Placement(db, schema), finding, tenants.get(mark.owner or ""))
    for schema in strays(db):
        yield Trouble(Placement(db, schema), _stray(schema))


def _if_it_answers(db: str, found: Iterator[Trouble]) -> Iterator[Trouble]:
    """What is found in a database, and that it does not answer if that ends the looking."""
    try:
        yield from found
    except (OperationalError, InterfaceError) as error:
        yield Trouble(Placement(db, ""), _away(db, error))


def mend(troubles: Sequence[Trouble]) -> Iterator[tuple[Trouble, Exception | None]]:
    """Mend what can be mended without losing anything; tell of each how it went."""
    for trouble in troubles:
        place = trouble.placement
        if trouble.finding.kind == "scratch":
            drop_schema(place.db, place.schema)
            yield trouble, None
        elif trouble.finding.statement is not None:
            yield trouble, _mended(trouble)


def _mended(trouble: Trouble) -> Exception | None:
    place, tenant = trouble.placement, trouble.tenant
    try:
        with working_on(tenant.slug) if tenant else nullcontext():
            ((_, error),) = drift.mend(place.db, place.schema, [trouble.finding])
    except TenantBusy as busy:
        return busy
    return error


def _unfinished(tenant: AbstractTenant) -> Finding | None:
    """Work that was begun and that nobody does."""
    if tenant.work is None and tenant.status not in (Status.PROVISIONING, Status.FAILED, Status.MOVING):
        return None
    try:
        with working_on(tenant.slug):
            pass
    except TenantBusy:
        return None
    if tenant.status == Status.DELETING:
        return None
    kind = (tenant.work or {}).get("kind", "provision")
    reason = f" {tenant.status_reason}" if tenant.status_reason else ""
    return Finding(
        "unfinished",
        f"work {kind}",
        f"It is {tenant.status}, and no process works on it.{reason}",
        f"manage.py tenant resume-work {tenant.slug}",
    )


def _misplaced(tenant: AbstractTenant, mark: Mark | None) -> Finding | None:
    if tenant.status not in _SETTLED or (mark is not None and mark.owner == str(tenant.pk)):
        return None
    return Finding(
        "schema",
        f"schema {tenant.schema_name}",
        "It is not there, or was made by somebody else." if mark is None else f"It is another's: {mark}.",
        "Restore it from an export or a backup, or correct the registry.",
    )


def _away(db: str, error: Exception) -> Finding:
    detail = f"It does not answer, so what is there is not checked: {in_one_line(error)}"
    return Finding("away", f"database {db}", detail, "Check again once it does.")


def _powerless(tenant: AbstractTenant) -> Finding:
    detail = "The login that serves can't become a role that may use it."
    return Finding("role", f"role of schema {tenant.schema_name}", detail, f"manage.py tenant roles {tenant.slug}")


def _stray(schema: str) -> Finding:
    detail = "It was made to be ready for a tenant, and the pool does not know it."
    return Finding("pool", f"schema {schema}", detail, "manage.py tenant pool")


def _debris(place: Placement, owner: AbstractTenant | None, mark: Mark) -> Finding | None:
    subject = f"schema {place.schema}"
    if owner is None and place.schema.startswith(SCRATCH):
        return Finding("scratch", subject, "A check that was cut off left it.", "Drop it.")
    if owner is None:
        whose = f"tenant {mark.owner}, which is not in the registry" if mark.owner else "nobody"
        return Finding("debris", subject, f"It is marked as made for {whose}.", "Drop it by hand if nobody needs it.")
    if owner.work is not None or owner.status == Status.DELETING or owner.placement == place:
        return None
    return Finding(
        "leftover",
        subject,
        f"It is marked as {owner.slug}'s, which lives at {owner.placement}.",
        f"manage.py tenant purge {owner.slug} --leftovers",
    )

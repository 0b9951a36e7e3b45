"""Background work: whom it was sent for, and whether it may be done now.

Asked by what runs work for a task queue (`contrib.celery`, `contrib.tasks`). Work carries the id of the tenant that was
current where it was sent, which outlives renaming and moving. What names a tenant that can't be served is not done
without one: it is put off, or refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import router

from .conf import conf
from .exceptions import RegistryUnavailable, TenantNotActive, UnknownTenant
from .models import AbstractTenant
from .registry import tenant_by_id, tenant_model
from .standing import is_behind
from .states import Status

__all__ = ["MARK", "Refused", "active_owners", "addressee"]

MARK = "tenancy_tenant"
"""Under this name work carries the id of its tenant."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why work is not done now.

    Attributes:
        error: what happened.
        retry_after_s: in how many seconds it is to be tried again; None: never.
    """

    error: Exception
    retry_after_s: float | None = None


def addressee(owner: str) -> AbstractTenant | Refused:
    """The tenant with that id, if it may be worked for now; else why not."""
    try:
        tenant = tenant_by_id(owner)
    except RegistryUnavailable as error:
        return Refused(error, conf.retry_after_s)
    if tenant is None:
        return Refused(
            UnknownTenant(f"Background work names the tenant {owner!r}, which does not exist: it is not done.")
        )
    if not tenant.is_active:
        return Refused(_not_active(tenant), conf.tasks_retry.get(tenant.status))
    if conf.behind == "refuse" and is_behind(tenant):
        text = f"Tenant {tenant.slug!r} lacks a migration of this code: migrate it, and its background work is done."
        return Refused(TenantNotActive(text), conf.retry_after_s)
    return tenant


def active_owners() -> Iterator[str]:
    """The ids of all active tenants, as the primary knows them."""
    tenants = tenant_model()._default_manager.using(router.db_for_write(tenant_model()))
    active = tenants.filter(status=Status.ACTIVE).order_by("pk").values_list("pk", flat=True)
    return map(str, active.iterator())


def _not_active(tenant: AbstractTenant) -> TenantNotActive:
    return TenantNotActive(
        f"Tenant {tenant.slug!r} is {tenant.status}, not active, so its background work is not done: activate it and "
        "send the work again."
    )

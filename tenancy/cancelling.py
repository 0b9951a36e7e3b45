"""Cancelling: gives up a tenant that is being made, in whichever process.

That it was given up stands in its status. Whoever makes it asks before a migration, but not again within 50 ms, and
once more as it becomes active, and leaves nothing of it then. A schema is dropped under the locks on the tenant's row
and on the schema, so that nobody goes on with it meanwhile; who runs a migration has the latter, and asks while they
have it.
"""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from django.db import connections, transaction

from django_schemas.schemas import drop_schema, lock_schema

from . import signals
from .exceptions import ProvisioningCancelled, TenantBusy
from .models import AbstractTenant
from .ownership import owned
from .states import Status
from .work import working_on

__all__ = ["cancel", "cancelled", "checked", "is_cancelled", "leave_nothing"]

REASON = "cancelled"
"""The reason that a tenant has *failed* for which was cancelled."""
_PATIENCE_S = 10.0
_STEP_S = 0.1
_ASKED_EACH_S = 0.05


def cancel(tenant: AbstractTenant) -> None:
    """Give up a tenant that is being made, or was to be: it is *failed* for the reason "cancelled", and has no schema.

    Whoever makes it stops before the next migration. That is waited for, but where whoever clones or imports the
    tenant copies rows for longer than some seconds: they stop at the end of that.

    Raises:
        IllegalTransition: it is not *provisioning*.
    """
    tenant.set_status(Status.FAILED, REASON, was=Status.PROVISIONING)
    transaction.on_commit(
        lambda: signals.tenant_provisioning_failed.send(
            sender=type(tenant), tenant=tenant, error=cancelled(tenant.slug, tenant.status)
        ),
        using=tenant.registry,
    )
    # Within a transaction nobody hears of it before that is committed.
    patience_s = 0.0 if connections[tenant.registry].in_atomic_block else _PATIENCE_S
    deadline = monotonic() + patience_s
    while True:
        try:
            with working_on(tenant.slug):
                leave_nothing(tenant)
                return
        except TenantBusy:
            if monotonic() > deadline:
                return
            sleep(_STEP_S)


def is_cancelled(tenant: AbstractTenant) -> bool:
    """Tell whether a tenant was cancelled, and not tried again since."""
    return (tenant.status, tenant.status_reason) == (Status.FAILED, REASON)


def cancelled(slug: str, status: str | None) -> ProvisioningCancelled:
    """The error that tells of a tenant that was given up, by its status now; None if its row is gone."""
    return ProvisioningCancelled(f"Tenant {slug!r} was given up while it was being made: it is {status or 'gone'} now.")


def checked(tenant: AbstractTenant, progress: Callable[..., None] | None) -> Callable[..., None]:
    """The same progress, that ends the making of a tenant by `ProvisioningCancelled` once it was given up.

    The tenant is to be read just now.
    """
    rows = type(tenant)._default_manager.using(tenant.registry).filter(pk=tenant.pk)
    statuses = rows.order_by().values_list("status", flat=True)
    asked_s = monotonic()

    def report(action: str, *args: Any, **kwargs: Any) -> None:
        nonlocal asked_s
        # A blueprint tells of many migrations at once.
        if action == "apply_start" and monotonic() - asked_s >= _ASKED_EACH_S:
            asked_s = monotonic()
            status = next(iter(statuses.all()), None)
            if status in (None, Status.FAILED, Status.DELETING, Status.GONE):
                raise cancelled(tenant.slug, status)
        if progress is not None:
            progress(action, *args, **kwargs)

    return report


def leave_nothing(tenant: AbstractTenant) -> bool:
    """Drop what was made of a tenant's schema, if the tenant was given up.

    Returns:
        Whether it was: one that was ever served was not.
    """
    with transaction.atomic(using=tenant.registry):
        rows = type(tenant)._default_manager.using(tenant.registry).filter(pk=tenant.pk)
        # Rows that refer to it may be written meanwhile: a migration does, which is waited for below.
        row = rows.select_for_update(no_key=True).first()
        if row is not None and not _never_whole(row):
            return False
        with transaction.atomic(using=tenant.db):
            lock_schema(tenant.alias)
            if owned(tenant, tenant.placement):
                drop_schema(tenant.db, tenant.schema_name)
    return True


def _never_whole(row: AbstractTenant) -> bool:
    was = (row.work or {}).get("was") if row.status == Status.DELETING else row.status
    return was == Status.FAILED

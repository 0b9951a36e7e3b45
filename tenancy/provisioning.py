"""Provisioning: makes a tenant's schema and brings it to the newest migrations.

Where registry and schema share a database it is one transaction with the tenant's becoming active, and part of the
caller's transaction if there is one. In another database it runs once the caller's transaction is committed. A failure
leaves no half-made schema and a tenant that is *failed*, with the reason; `provision()` tries again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import router, transaction
from django.dispatch import Signal

from django_schemas.migrator import Progress, migrate_target, target_of

from . import signals
from .conf import conf
from .exceptions import ProvisioningFailed
from .models import AbstractTenant
from .states import Status

__all__ = ["migrate", "on_created", "postponed", "provision"]

_postponed: ContextVar[bool] = ContextVar("tenancy_postponed", default=False)


@contextmanager
def postponed() -> Iterator[None]:
    """Leave tenants that are created in a block as *provisioning*: whoever says so provisions them later."""
    token = _postponed.set(True)
    try:
        yield
    finally:
        _postponed.reset(token)


def on_created(sender: type[AbstractTenant], tenant: AbstractTenant, **kwargs: Any) -> None:
    """Provision a new tenant; a receiver of `tenant_created`."""
    if conf.provisioning != "now" or _postponed.get():
        return
    registry = router.db_for_write(sender, instance=tenant)
    if tenant.db == registry or not transaction.get_connection(registry).in_atomic_block:
        provision(tenant)
    else:
        transaction.on_commit(lambda: provision(tenant), using=registry)


def provision(tenant: AbstractTenant, progress: Progress | None = None) -> None:
    """Make a tenant's schema, and make the tenant active; or go on where an earlier attempt was cut off.

    Args:
        tenant: whose.
        progress: told of each migration.

    Raises:
        IllegalTransition: the tenant is neither *provisioning* nor *failed*.
        ProvisioningFailed: the schema could not be made; the tenant is *failed* with the reason.
    """
    if tenant.status == Status.FAILED:
        tenant.set_status(Status.PROVISIONING)
    signals.tenant_provisioning.send(sender=type(tenant), tenant=tenant)
    try:
        with transaction.atomic(using=tenant.db):
            migrate(tenant, progress=progress)
            if tenant.status == Status.PROVISIONING:
                tenant.set_status(Status.ACTIVE)
    except Exception as error:
        _fail(tenant, error)
        raise ProvisioningFailed(f"Tenant {tenant.slug!r} could not be provisioned: {_reason(error)}") from error
    _once_committed(signals.tenant_provisioned, tenant)


def migrate(tenant: AbstractTenant, **options: Any) -> Any:
    """Bring a tenant's schema to the newest migrations.

    Args:
        tenant: whose.
        options: as for `django_schemas.migrator.migrate_target`.

    Returns:
        What was done.

    Raises:
        SchemaExists: a schema of that name is there and is not this tenant's.
    """
    return migrate_target(target_of(tenant.alias), owner=str(tenant.pk), **options)


def _fail(tenant: AbstractTenant, error: Exception) -> None:
    # What was set in the transaction that is rolled back now is not so.
    tenant.status = Status.PROVISIONING
    tenant.set_status(Status.FAILED, _reason(error))
    _once_committed(signals.tenant_provisioning_failed, tenant, error=error)


def _once_committed(signal: Signal, tenant: AbstractTenant, **values: Any) -> None:
    registry = router.db_for_write(type(tenant), instance=tenant)
    transaction.on_commit(lambda: signal.send(sender=type(tenant), tenant=tenant, **values), using=registry)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()

"""Deleting a tenant, which can be undone for a time, and purging it, which can't."""

from django.db import router, transaction

from django_schemas.exceptions import SchemaExists
from django_schemas.schemas import drop_schema, mark_of, schema_exists

from .. import signals
from ..models import AbstractTenant
from ..states import Status, check_transition

__all__ = ["delete", "purge", "restore"]


def delete(tenant: AbstractTenant, reason: str = "") -> None:
    """Stop serving a tenant for good. Its schema stays until `purge`, and `restore` brings it back until then."""
    tenant.set_status(Status.DELETING, reason)


def restore(tenant: AbstractTenant) -> None:
    """Serve a deleted tenant again."""
    tenant.set_status(Status.ACTIVE, was=Status.DELETING)


def purge(tenant: AbstractTenant) -> None:
    """Drop a deleted tenant's schema with all its data, then its row. This can't be undone.

    Raises:
        IllegalTransition: the tenant was not deleted first.
        SchemaExists: the schema of that name is not this tenant's.
    """
    check_transition(tenant.slug, tenant.status, Status.GONE)
    there = schema_exists(tenant.db, tenant.schema_name)
    if there:
        mark = mark_of(tenant.db, tenant.schema_name)
        if mark is None or mark.owner != str(tenant.pk):
            raise SchemaExists(
                f"Schema {tenant.placement} is not marked as tenant {tenant.slug!r}'s: it is not dropped."
            )
    using = router.db_for_write(type(tenant), instance=tenant)
    with transaction.atomic(using=using):
        if there:
            drop_schema(tenant.db, tenant.schema_name)
        tenant.set_status(Status.GONE)
        pk = tenant.pk
        tenant.delete()
        tenant.pk = pk
    signals.tenant_deleted.send(sender=type(tenant), tenant=tenant)

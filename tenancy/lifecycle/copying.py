"""A tenant whose schema is filled from somewhere else: what cloning and importing have in common.

Its row is written first, *provisioning*, with all that is needed in its `work`. If the process dies, or what it does
fails, the schema is dropped, by its mark, and made again from there: by `resume_work`, or by the same call.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.db import connections

from django_schemas.schemas import drop_schema

from .. import signals
from ..exceptions import TenancyError
from ..models import AbstractTenant
from ..ownership import owned
from ..provisioning import fail
from ..registry import tenant_model
from ..releasing import names_of, wait_until_free
from ..standing import read
from ..states import Status, check_transition
from ..work import working_on

__all__ = ["begin", "fill", "outside_transactions", "tables_of"]


def outside_transactions(*dbs: str) -> None:
    """Raise TenancyError inside a transaction: the connection that reads sees nothing of it, or waits for it."""
    for db in dbs:
        if connections[db].in_atomic_block:
            raise TenancyError(f"Rows can't be copied inside a transaction on {db!r}: call this outside of atomic().")


def begin(work: dict[str, Any], name: str, **given: Any) -> AbstractTenant:
    """The row of a tenant that is to be filled: a new one, or that of the same work, which was cut off.

    Args:
        work: what is to be done.
        name: of the tenant.
        given: other fields; those that are empty are chosen.
    """
    wanted = {field: value for field, value in given.items() if value and field != "settings"}
    found: AbstractTenant | None = (
        tenant_model()
        ._default_manager.filter(name=name, work=work, status__in=(Status.PROVISIONING, Status.FAILED), **wanted)
        .first()
    )
    if found is not None:
        return found
    tenant = tenant_model()(name=name, work=work, **given)
    tenant.save()
    return tenant


def fill(tenant: AbstractTenant, fill_schema: Callable[[AbstractTenant], None]) -> None:
    """Have a tenant's schema made and filled, and make the tenant active.

    Args:
        tenant: whose.
        fill_schema: makes the schema, which is not there, and fills it.

    Raises:
        ProvisioningFailed: that failed; the tenant is *failed* with the reason, and has no schema.
    """
    outside_transactions(tenant.db, tenant.registry)
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        if tenant.status == Status.FAILED:
            tenant.set_status(Status.PROVISIONING)
        check_transition(tenant.slug, tenant.status, Status.ACTIVE, Status.PROVISIONING)
        signals.tenant_provisioning.send(sender=type(tenant), tenant=tenant)
        try:
            wait_until_free(*names_of(tenant))
            _drop(tenant)
            fill_schema(tenant)
            standing = read(tenant.db, [tenant.schema_name])[tenant.schema_name]
            tenant.set_status(Status.ACTIVE, was=Status.PROVISIONING, work=None, migrated_to=standing)
        except Exception as error:
            raise fail(tenant, error, clean_up=_drop) from error
    signals.tenant_provisioned.send(sender=type(tenant), tenant=tenant)


def tables_of(labels: Iterable[str]) -> set[str]:
    """The tables of models, those of their many-to-many relations among them."""
    models = [apps.get_model(label) for label in labels]
    through = [field.remote_field.through for model in models for field in model._meta.local_many_to_many]
    return {str.__str__(model._meta.db_table) for model in [*models, *through] if model is not None}


def _drop(tenant: AbstractTenant) -> None:
    if owned(tenant, tenant.placement):
        drop_schema(tenant.db, tenant.schema_name)

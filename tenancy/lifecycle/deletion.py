"""Deleting a tenant, which can be undone for a time, and purging it, which can't.

A deleted tenant's schema is renamed, so that whatever is still bound to it finds nothing. What the tenant was stays in
its `work` until it is restored or purged. Its slug, hosts and placement stay taken until then.
"""

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models.deletion import Collector, ProtectedError, RestrictedError

from django_schemas.exceptions import SchemaExists
from django_schemas.placement import Placement
from django_schemas.schemas import drop_schema, rename_schema, schema_exists

from .. import signals
from ..cancelling import cancel
from ..events import record
from ..exceptions import IllegalTransition, TenancyError
from ..models import AbstractTenant
from ..ownership import owned, schemas_owned
from ..releasing import names_of
from ..states import Status, check_transition
from ..work import working_on
from .resuming import resume_work, resumes

__all__ = ["aside", "delete", "purge", "restore"]


def aside(tenant: AbstractTenant) -> Placement:
    """Where a deleted tenant's schema is."""
    return Placement(tenant.db, f"_deleted_{tenant.pk.hex}")


def delete(tenant: AbstractTenant, reason: str = "") -> None:
    """Stop serving a tenant for good. Its schema is set aside until `purge`; `restore` brings it back until then.

    What is under way on a tenant that is served, or moving, is brought to its end first. One that is being made is
    cancelled.

    Raises:
        IllegalTransition: it is being purged.
        TenantBusy: another process works on it.
    """
    tenant.refresh_from_db()
    if tenant.status == Status.PROVISIONING:
        with suppress(IllegalTransition):  # It was made just now.
            cancel(tenant)
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        if tenant.work is not None and tenant.status in (Status.ACTIVE, Status.SUSPENDED, Status.MOVING):
            resume_work(tenant)
            tenant.refresh_from_db()
        if tenant.status != Status.DELETING:
            _begin(tenant, reason)
        elif _stage(tenant) == "purge":
            raise IllegalTransition(f"Tenant {tenant.slug!r} is being purged: go on by `tenant purge`.")
        else:
            _note(tenant, kind="delete")
        if tenant.db != tenant.registry:
            # Before that is committed nothing is done where it could not be rolled back.
            transaction.on_commit(lambda: _set_aside(tenant), using=tenant.registry)


def restore(tenant: AbstractTenant) -> None:
    """Bring a deleted tenant back. It is what it was before: suspended if it was suspended, failed if it had failed.

    Raises:
        IllegalTransition: it is not deleted, or is being purged.
        TenancyError: its schema is gone.
        TenantBusy: another process works on it.
    """
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        was, why = _was(tenant)
        check_transition(tenant.slug, tenant.status, was, Status.DELETING)
        if _stage(tenant) == "purge":
            raise IllegalTransition(f"Tenant {tenant.slug!r} is being purged, so it can't be restored.")
        _note(tenant, kind="restore")
        with transaction.atomic(using=tenant.registry):
            _bring_back(tenant, needed=was != Status.FAILED)
            tenant.set_status(was, why, was=Status.DELETING, work=(tenant.work or {}).get("work"))


def purge(tenant: AbstractTenant) -> None:
    """Drop a deleted tenant's schema with all its data, and what moves left of it; then its row. It can't be undone.

    Raises:
        IllegalTransition: the tenant was not deleted first.
        SchemaExists: the schema at its placement is not marked as this tenant's.
        TenancyError: rows of the registry refer to it and are protected: nothing was dropped.
        TenantBusy: another process works on it.
    """
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        check_transition(tenant.slug, tenant.status, Status.GONE)
        _refuse_protected(tenant)
        _refuse_unmarked(tenant)
        _note(tenant, kind="purge")
        for place in schemas_owned(tenant):
            # Two aliases may lead to one database.
            if owned(tenant, place):
                drop_schema(place.db, place.schema)
        with transaction.atomic(using=tenant.registry):
            hosts = [domain.host for domain in tenant.domains.all()]  # type: ignore[attr-defined]
            tenant.set_status(Status.GONE, work=None)
            record(tenant, "purged", released=[*names_of(tenant), *hosts])
            pk = tenant.pk
            tenant.delete()
            tenant.pk = pk
            transaction.on_commit(
                lambda: signals.tenant_deleted.send(sender=type(tenant), tenant=tenant), using=tenant.registry
            )


@resumes("delete")
def _resume_delete(tenant: AbstractTenant) -> str:
    delete(tenant)
    return "deleted: `tenant restore` brings it back"


@resumes("restore")
def _resume_restore(tenant: AbstractTenant) -> str:
    restore(tenant)
    return f"restored: it is {tenant.status}"


@resumes("purge")
def _resume_purge(tenant: AbstractTenant) -> str:
    purge(tenant)
    return "purged"


def _begin(tenant: AbstractTenant, reason: str) -> None:
    # Nobody can go on serving what was never whole.
    was = Status.FAILED if tenant.status == Status.PROVISIONING else tenant.status
    # A clone that failed must still know whose clone it was to be, should it be restored.
    work = {"kind": "delete", "was": was, "why": tenant.status_reason, "work": tenant.work}
    with transaction.atomic(using=tenant.registry):
        tenant.set_status(Status.DELETING, reason, work=work)
        if tenant.db == tenant.registry:
            _set_aside(tenant)


def _set_aside(tenant: AbstractTenant) -> None:
    if owned(tenant, tenant.placement):
        rename_schema(tenant.db, tenant.schema_name, aside(tenant).schema)


def _bring_back(tenant: AbstractTenant, needed: bool) -> None:
    if owned(tenant, aside(tenant)):
        rename_schema(tenant.db, aside(tenant).schema, tenant.schema_name)
    elif needed and not owned(tenant, tenant.placement):
        raise TenancyError(f"Schema {tenant.placement} of tenant {tenant.slug!r} is gone: it can't be restored.")


def _refuse_protected(tenant: AbstractTenant) -> None:
    try:
        Collector(using=tenant.registry, origin=tenant).collect([tenant])
    except (ProtectedError, RestrictedError) as error:
        raise TenancyError(
            f"Tenant {tenant.slug!r} can't be purged, since rows of the registry that refer to it are protected: "
            f"{error.args[0]} Nothing was dropped."
        ) from error


def _refuse_unmarked(tenant: AbstractTenant) -> None:
    """Raise SchemaExists if a schema that may hold this tenant's data lost its mark: it would be left behind."""
    was, _ = _was(tenant)
    if was == Status.FAILED or _stage(tenant) == "purge" or schemas_owned(tenant):
        return
    if schema_exists(tenant.db, tenant.schema_name):
        raise SchemaExists(f"Schema {tenant.placement} is not marked as tenant {tenant.slug!r}'s: it is not dropped.")


def _was(tenant: AbstractTenant) -> tuple[str, str]:
    # One that was set to deleting by hand is not served before somebody resumes it.
    work: dict[str, Any] = tenant.work or {}
    return work.get("was", Status.SUSPENDED), work.get("why", "")


def _stage(tenant: AbstractTenant) -> str:
    return str((tenant.work or {}).get("kind", "delete"))


def _note(tenant: AbstractTenant, kind: str) -> None:
    """Write down what is done from here on, unless it stands there."""
    was, why = _was(tenant)
    work = {**(tenant.work or {}), "kind": kind, "was": was, "why": why}
    if tenant.work != work:
        tenant.work = work
        tenant.save(update_fields=("work", "updated_at"))

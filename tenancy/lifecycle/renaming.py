"""Renaming a tenant: what it is called by people, by machines, and in its database."""

from typing import Any

from django.db import IntegrityError, transaction

from django_schemas.exceptions import SchemaExists
from django_schemas.identifiers import validate_schema_name
from django_schemas.placement import Placement
from django_schemas.schemas import rename_schema, schema_exists

from ..events import record
from ..exceptions import IllegalTransition, TenantExists
from ..models import AbstractTenant, check_slug
from ..ownership import owned
from ..releasing import names_of, wait_until_free
from ..states import Status
from ..work import working_on
from .resuming import resumes

__all__ = ["rename"]

_NAMED = (Status.ACTIVE, Status.SUSPENDED, Status.FAILED, Status.PROVISIONING)


def rename(
    tenant: AbstractTenant, slug: str | None = None, schema_name: str | None = None, name: str | None = None
) -> None:
    """Give a tenant another slug, schema or name; what is None stays.

    Where registry and schema share a database it is one transaction. Otherwise the tenant is *moving*, and so not
    served, while its schema is renamed. Who asks for the old slug finds nobody, and what is bound to the old schema
    finds nothing.

    Raises:
        IllegalTransition: it is deleted or moving; or its schema is to be renamed and it was not provisioned.
        TenantBusy: another process works on it.
        TenantExists: the slug or the schema is taken.
        ValidationError: the slug is not valid or is reserved.
        InvalidSchemaName: the schema's name is not valid.
    """
    given = {"slug": slug, "schema_name": schema_name, "name": name}
    with working_on(tenant.slug, slug or tenant.slug):
        tenant.refresh_from_db()
        if _asked_before(tenant, given):
            _resume_rename(tenant)
            return
        changes = {field: value for field, value in given.items() if value not in (None, getattr(tenant, field))}
        _check(tenant, changes)
        if changes:
            wait_until_free(*_wanted(tenant, changes))
            _rename(tenant, changes)


@resumes("rename")
def _resume_rename(tenant: AbstractTenant) -> str:
    _finish(tenant)
    return f"renamed: {tenant.slug}, {tenant.placement}"


def _asked_before(tenant: AbstractTenant, given: dict[str, str | None]) -> bool:
    """Whether this very thing is under way, so that who asks again for it goes on with it."""
    return (
        tenant.work is not None
        and tenant.work["kind"] == "rename"
        and all(value in (None, getattr(tenant, field)) for field, value in given.items())
    )


def _check(tenant: AbstractTenant, changes: dict[str, Any]) -> None:
    if tenant.status not in _NAMED or tenant.work is not None:
        raise IllegalTransition(f"Tenant {tenant.slug!r} is {tenant.status}, so it can't be renamed now.")
    if "slug" in changes:
        check_slug(changes["slug"])
    if "schema_name" in changes:
        validate_schema_name(changes["schema_name"])
        if tenant.status not in (Status.ACTIVE, Status.SUSPENDED):
            raise IllegalTransition(f"Tenant {tenant.slug!r} is {tenant.status}: its schema can't be renamed.")
        if not owned(tenant, tenant.placement):
            raise SchemaExists(f"Schema {tenant.placement} is not marked as tenant {tenant.slug!r}'s.")
        if schema_exists(tenant.db, changes["schema_name"]):
            raise TenantExists(f"There is a schema {changes['schema_name']!r} on {tenant.db!r} already.")


def _wanted(tenant: AbstractTenant, changes: dict[str, Any]) -> list[str]:
    wanted = [changes["slug"]] if "slug" in changes else []
    if "schema_name" in changes:
        wanted.append(str(Placement(tenant.db, changes["schema_name"])))
    return wanted


def _rename(tenant: AbstractTenant, changes: dict[str, Any]) -> None:
    using = tenant.registry
    elsewhere = "schema_name" in changes and tenant.db != using
    before, released = f"{tenant.slug}, {tenant.placement}", names_of(tenant)
    former = tenant.schema_name
    work = {"kind": "rename", "was": tenant.status, "why": tenant.status_reason, "from": former, "slug": tenant.slug}
    try:
        with transaction.atomic(using=using):
            if elsewhere:
                # The new name is taken in the registry before it is in the database.
                tenant.set_status(Status.MOVING, "renamed", work=work, **changes)
            else:
                _save(tenant, changes)
            released = [each for each in released if each not in names_of(tenant)]
            record(tenant, "renamed", old=before, new=f"{tenant.slug}, {tenant.placement}", released=released)
            if "schema_name" in changes and not elsewhere:
                rename_schema(tenant.db, former, tenant.schema_name)
    except IntegrityError as error:
        tenant.refresh_from_db()
        raise TenantExists(
            f"{' or '.join(map(repr, changes.values()))} is taken by another tenant, maybe a deleted one that is not "
            "purged yet."
        ) from error
    if elsewhere:
        # Before that is committed nothing is done where it could not be rolled back.
        transaction.on_commit(lambda: _finish(tenant), using=using)


def _save(tenant: AbstractTenant, changes: dict[str, Any]) -> None:
    for field, value in changes.items():
        setattr(tenant, field, value)
    tenant.save(update_fields=(*changes, "updated_at"))


def _finish(tenant: AbstractTenant) -> None:
    work = tenant.work
    assert work is not None
    if owned(tenant, Placement(tenant.db, work["from"])):
        rename_schema(tenant.db, work["from"], tenant.schema_name)
    tenant.set_status(work["was"], work["why"], was=Status.MOVING, work=None)

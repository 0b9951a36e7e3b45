"""Cloning: a new tenant with the rows of another, as they were at one moment, whoever writes to it meanwhile."""

from collections.abc import Callable
from typing import Any

from django.db import connections, transaction
from django.utils.module_loading import import_string

from django_schemas.rows import copy_rows, make_like
from django_schemas.snapshots import snapshot
from django_schemas.streams import Progress

from ..conf import conf
from ..context import tenant_context
from ..events import record
from ..exceptions import TenancyError, TenantNotActive
from ..models import AbstractTenant
from ..registry import tenant_model
from ..states import Status
from .copying import begin, fill, outside_transactions, tables_of
from .resuming import resumes

__all__ = ["clone"]

Hook = Callable[..., None]


def clone(
    source: AbstractTenant,
    name: str,
    *,
    slug: str = "",
    db: str = "",
    schema_name: str = "",
    hook: Hook | str | None = None,
    progress: Progress | None = None,
) -> AbstractTenant:
    """Make a tenant with the rows and settings of another. Hosts, sessions and tokens are not carried over.

    Args:
        source: an active or suspended tenant.
        name: of the new one.
        slug: made of the name if empty.
        db: alias of its database; the source's if empty.
        schema_name: made of the slug if empty.
        hook: called with `tenant` and `source`, the new tenant being current, in the transaction that fills it: to
            mask what must not be seen. A function that can be imported, or its dotted path; `CLONE_HOOK` if None.
        progress: told of each table.

    Returns:
        The new tenant. One that the same call began, and that was cut off, goes on.

    Raises:
        TenantNotActive: the source is neither active nor suspended.
        TenantExists: slug or placement are taken.
        ProvisioningFailed: the rows could not be copied; the new tenant is *failed* with the reason.
    """
    outside_transactions(source.db)
    _readable(source)
    work = {"kind": "clone", "source": str(source.pk), "hook": _path_of(hook or conf.clone_hook)}
    tenant = begin(work, name, slug=slug, db=db or source.db, schema_name=schema_name, settings=dict(source.settings))
    _clone(tenant, progress)
    return tenant


@resumes("clone")
def _resume(tenant: AbstractTenant) -> str:
    _clone(tenant)
    return "cloned"


def _clone(tenant: AbstractTenant, progress: Progress | None = None) -> None:
    work = tenant.work or {}

    def fill_schema(tenant: AbstractTenant) -> None:
        source = tenant_model()._default_manager.filter(pk=work["source"]).first()
        if source is None:
            raise TenancyError("The tenant that it is a clone of is gone: delete this one.")
        _readable(source)
        hook: Hook | None = import_string(work["hook"]) if work["hook"] else None
        with snapshot(source.alias) as reading:
            made = make_like(reading, source.alias, tenant.alias, owner=str(tenant.pk))
            with transaction.atomic(using=tenant.db):
                without = tables_of(conf.clone_exclude) & made.source.tables.keys()
                copy_rows(reading, connections[tenant.db], made, without=without, progress=progress)
                if hook is not None:
                    with tenant_context(tenant, allow_inactive=True):
                        hook(tenant=tenant, source=source)
        record(tenant, "cloned", old=source.slug, new=tenant.slug)

    fill(tenant, fill_schema)


def _readable(source: AbstractTenant) -> None:
    if source.status not in (Status.ACTIVE, Status.SUSPENDED):
        raise TenantNotActive(f"Tenant {source.slug!r} is {source.status}: only active and suspended ones are copied.")


def _path_of(hook: Hook | str | None) -> str | None:
    """The dotted path of a hook, by which the process that resumes a clone finds it.

    Raises:
        TenancyError: it can't be imported. A clone that was resumed without it would not be masked.
    """
    if hook is None:
        return None
    path = hook if isinstance(hook, str) else f"{hook.__module__}.{getattr(hook, '__qualname__', '')}"
    try:
        found: Any = import_string(path)
    except ImportError as error:
        raise TenancyError(f"The hook {path!r} can't be imported: {error}.") from error
    if not isinstance(hook, str) and found is not hook:
        raise TenancyError(f"The hook {path!r} is another function when it is imported: name one of a module.")
    return path

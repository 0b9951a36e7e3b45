"""Provisioning: makes a tenant's schema and brings it to the newest migrations, then makes the tenant active.

The schema is made in one transaction, if all migrations can be, and part of the caller's transaction if there is one on
that database. In another database it is made once the caller's transaction is committed. A failure leaves no half-made
schema and a tenant that is *failed*, with the reason; a process that dies leaves one that is *provisioning*.
`provision()` goes on with both.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django.dispatch import Signal

from django_schemas.executor import Progress
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of

from . import signals
from .cancelling import cancelled, checked, is_cancelled, leave_nothing
from .claiming import claim
from .conf import conf
from .exceptions import IllegalTransition, ProvisioningFailed, TenantNotActive
from .models import AbstractTenant, slug_of
from .registry import tenant_model
from .releasing import names_of, wait_until_free
from .standing import newest, note, read
from .states import Status, check_transition
from .work import working_on

__all__ = ["fail", "migrate", "on_created", "postponed", "provision", "reason_of", "reporting", "unfinished"]

_postponed: ContextVar[bool] = ContextVar("tenancy_postponed", default=False)
_progress: ContextVar[Progress | None] = ContextVar("tenancy_progress", default=None)


@contextmanager
def postponed() -> Iterator[None]:
    """Leave tenants that are created in a block as *provisioning*: whoever says so provisions them later."""
    token = _postponed.set(True)
    try:
        yield
    finally:
        _postponed.reset(token)


@contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Tell of each migration of a tenant that is provisioned in a block, as by creating it."""
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)


def on_created(sender: type[AbstractTenant], tenant: AbstractTenant, **kwargs: Any) -> None:
    """Provision a new tenant when the settings say; a receiver of `tenant_created`."""
    # One that is filled from elsewhere is made by whoever fills it.
    if conf.provisioning == "manual" or tenant.work is not None or _postponed.get():
        return
    start = conf.provisioning if callable(conf.provisioning) else provision
    registry = router.db_for_write(sender, instance=tenant)
    if start is provision and conf.provisioning == "now" and tenant.db == registry:
        provision(tenant)
    else:
        # At once if no transaction is open.
        transaction.on_commit(lambda: start(tenant), using=registry)


def unfinished(name: str, **given: str) -> AbstractTenant | None:
    """The tenant that was to be created by this name and was not provisioned to the end; None if there is none.

    Args:
        name: of the tenant.
        given: other fields that it was created with, the slug for example; those that are empty count for nothing.
    """
    wanted = {"slug": slug_of(name), **{field: value for field, value in given.items() if value}}
    found: AbstractTenant | None = (
        tenant_model()
        ._default_manager.filter(
            name=name, status__in=(Status.PROVISIONING, Status.FAILED), work__isnull=True, **wanted
        )
        .first()
    )
    return found


def provision(tenant: AbstractTenant, progress: Progress | None = None) -> None:
    """Make a tenant's schema, and make the tenant active; or go on where an earlier attempt was cut off.

    Args:
        tenant: whose.
        progress: told of each migration; a schema that is taken from the pool needs none.

    Raises:
        IllegalTransition: the tenant is neither *provisioning* nor *failed*.
        ProvisioningCancelled: it was cancelled, or deleted, meanwhile or before this began.
        ProvisioningFailed: the schema could not be made; the tenant is *failed* with the reason.
    """
    # Whoever makes the schema holds the lock on it; one for the tenant would take a connection more, of which a pooler
    # may have none to give while as many tenants are made at once.
    expected = tenant.status
    tenant.refresh_from_db()
    if expected == Status.PROVISIONING and is_cancelled(tenant):
        # What was enqueued is not begun. Who tries again knows that it has failed.
        raise cancelled(tenant.slug, tenant.status)
    if tenant.work is not None and tenant.work["kind"] != "provision":
        # An empty schema would be taken for the one that it was to be filled with.
        raise IllegalTransition(
            f"Tenant {tenant.slug!r} has work ({tenant.work['kind']}): `manage.py tenant resume-work` goes on with it."
        )
    if tenant.status == Status.FAILED:
        tenant.set_status(Status.PROVISIONING)
    check_transition(tenant.slug, tenant.status, Status.ACTIVE, Status.PROVISIONING)
    signals.tenant_provisioning.send(sender=type(tenant), tenant=tenant)
    try:
        wait_until_free(*names_of(tenant))
        if not claim(tenant):
            _migrate(tenant, progress=checked(tenant, progress or _progress.get()))
        tenant.set_status(Status.ACTIVE, was=Status.PROVISIONING, migrated_to=newest())
    except Exception as error:
        raise fail(tenant, error) from error
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
        TenantBusy: another process works on the tenant.
        TenantNotActive: the tenant is deleted or moving, so its schema may not be where it belongs.
    """
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        if tenant.status in (Status.MOVING, Status.DELETING, Status.GONE):
            raise TenantNotActive(f"Tenant {tenant.slug!r} is {tenant.status}: its schema is not migrated.")
        done = _migrate(tenant, **options)
        for stands in read(tenant.db, [tenant.schema_name]).values():
            note([tenant], stands)
        return done


def _migrate(tenant: AbstractTenant, **options: Any) -> Any:
    return migrate_target(target_of(tenant.alias), owner=str(tenant.pk), blueprint=conf.blueprint, **options)


def fail(
    tenant: AbstractTenant, error: Exception, clean_up: Callable[[AbstractTenant], None] | None = None
) -> ProvisioningFailed:
    """Have a tenant that could not be made be *failed*, if that can be written down. Of one that was given up meanwhile
    nothing is left.

    Args:
        tenant: whose provisioning it was.
        error: why.
        clean_up: called once it is written down.

    Returns:
        The error to raise.
    """
    failed = ProvisioningFailed(f"Tenant {tenant.slug!r} could not be provisioned: {reason_of(error)}")
    for db in {tenant.db, tenant.registry}:
        if not connections[db].in_atomic_block:
            # It may be the connection itself that failed.
            connections[db].close_if_unusable_or_obsolete()
    try:
        # In this order: if the answer alone was lost, the tenant is active, and its schema stays.
        tenant.set_status(Status.FAILED, reason_of(error), was=Status.PROVISIONING)
        if clean_up is not None:
            clean_up(tenant)
    except (IllegalTransition, ObjectDoesNotExist):
        return _given_up(tenant) or failed
    except (DatabaseError, InterfaceError):
        # Nothing can be written down: the row says where to go on.
        return failed
    _once_committed(signals.tenant_provisioning_failed, tenant, error=error)
    return failed


def _given_up(tenant: AbstractTenant) -> ProvisioningFailed | None:
    """Leave nothing of a tenant that was given up; None if it was not: then only an answer was lost."""
    with suppress(DatabaseError, InterfaceError):
        if leave_nothing(tenant):
            row = type(tenant)._default_manager.using(tenant.registry).filter(pk=tenant.pk).first()
            if row is not None:
                tenant.refresh_from_db()
            return cancelled(tenant.slug, None if row is None else row.status)
    return None


def _once_committed(signal: Signal, tenant: AbstractTenant, **values: Any) -> None:
    registry = tenant.registry
    transaction.on_commit(lambda: signal.send(sender=type(tenant), tenant=tenant, **values), using=registry)


def reason_of(error: BaseException) -> str:
    """What went wrong, in a line for people: the kind of error and its message."""
    return f"{type(error).__name__}: {error}".strip()

"""The hosts of a tenant: added, shown to be its own, one of them primary, and given up."""

from django.db import transaction
from django.utils import timezone

from ..conf import conf
from ..events import record
from ..exceptions import IllegalTransition, TenancyError, UnknownTenant
from ..hosts import canonical_host
from ..models import AbstractDomain, AbstractTenant
from ..registry import domain_model
from ..releasing import wait_until_free
from ..states import Status

__all__ = ["add_domain", "make_primary", "redirect_domain", "remove_domain", "verify_domain"]


def add_domain(tenant: AbstractTenant, host: str) -> AbstractDomain:
    """Have a host lead to a tenant: at once, or once it is verified where `DOMAIN_VERIFIER` is set.

    One that it has already stays as it is.

    Raises:
        IllegalTransition: the tenant is deleted.
        TenantExists: another tenant has it, maybe a deleted one.
        ValidationError: it is no host name.
    """
    if tenant.status in (Status.DELETING, Status.GONE):
        raise IllegalTransition(f"Tenant {tenant.slug!r} is {tenant.status}: no host can lead to it.")
    host = canonical_host(host)
    known = domain_model()._default_manager.filter(host=host, tenant_id=tenant.pk).first()
    if known is not None:
        return known
    wait_until_free(host)
    verified_at = None if conf.domain_verifier else timezone.now()
    domain = domain_model()(host=host, tenant_id=tenant.pk, verified_at=verified_at)
    with transaction.atomic(using=tenant.registry):
        domain.save()
        record(tenant, "domain added", new=host)
    return domain


def remove_domain(tenant: AbstractTenant, host: str) -> None:
    """Give up a host: another tenant may have it then. Of a deleted tenant too.

    Raises:
        UnknownTenant: this tenant has no such host.
    """
    domain = _domain(tenant, host)
    with transaction.atomic(using=tenant.registry):
        domain.delete()
        record(tenant, "domain removed", old=domain.host, released=[domain.host])


def verify_domain(tenant: AbstractTenant, host: str) -> None:
    """Have a host shown to be the tenant's, by `DOMAIN_VERIFIER`; it leads to the tenant from then on.

    Raises:
        TenancyError: it could not be shown.
        UnknownTenant: this tenant has no such host.
    """
    domain = _domain(tenant, host)
    verifier = conf.domain_verifier
    if verifier is not None and not verifier(domain):
        raise TenancyError(f"Host {domain.host!r} could not be shown to be tenant {tenant.slug!r}'s.")
    if domain.verified_at is None:
        domain.verified_at = timezone.now()
        with transaction.atomic(using=tenant.registry):
            domain.save(update_fields=("verified_at",))
            record(tenant, "domain verified", new=domain.host)


def make_primary(tenant: AbstractTenant, host: str) -> None:
    """Make a host the one that links to the tenant use, in place of the one that was.

    Raises:
        TenancyError: it is not verified.
        UnknownTenant: this tenant has no such host.
    """
    domain = _domain(tenant, host)
    if domain.verified_at is None:
        raise TenancyError(f"Host {domain.host!r} is not verified: it leads nowhere yet.")
    with transaction.atomic(using=tenant.registry):
        others = domain_model()._default_manager.filter(tenant_id=tenant.pk, is_primary=True).exclude(pk=domain.pk)
        former = [other.host for other in others]
        for other in others:
            other.is_primary = False
            other.save(update_fields=("is_primary",))
        domain.is_primary, domain.redirects = True, False
        domain.save(update_fields=("is_primary", "redirects"))
        record(tenant, "domain primary", old=", ".join(former), new=domain.host)


def redirect_domain(tenant: AbstractTenant, host: str, redirects: bool = True) -> None:
    """Have requests to a host redirected to the primary one, or no longer.

    Raises:
        TenancyError: it is the primary one.
        UnknownTenant: this tenant has no such host.
    """
    domain = _domain(tenant, host)
    if domain.is_primary and redirects:
        raise TenancyError(f"Host {domain.host!r} is the primary one of tenant {tenant.slug!r}: make another primary.")
    domain.redirects = redirects
    with transaction.atomic(using=tenant.registry):
        domain.save(update_fields=("redirects",))
        record(tenant, "domain redirects" if redirects else "domain serves", new=domain.host)


def _domain(tenant: AbstractTenant, host: str) -> AbstractDomain:
    host = canonical_host(host)
    domain = domain_model()._default_manager.filter(host=host, tenant_id=tenant.pk).first()
    if domain is None:
        raise UnknownTenant(f"Tenant {tenant.slug!r} has no host {host!r}.")
    return domain

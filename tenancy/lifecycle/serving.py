"""Suspending a tenant, and serving it again."""

from ..models import AbstractTenant
from ..states import Status

__all__ = ["resume", "suspend"]


def suspend(tenant: AbstractTenant, reason: str = "") -> None:
    """Stop serving a tenant: 403, until it is resumed."""
    tenant.set_status(Status.SUSPENDED, reason, was=Status.ACTIVE)


def resume(tenant: AbstractTenant) -> None:
    """Serve a suspended tenant again."""
    tenant.set_status(Status.ACTIVE, was=Status.SUSPENDED)

"""Quotas: whether there may be a new tenant, as the project says (`TENANCY["QUOTA"]`).

It is asked in the transaction that saves the tenant's row, before that is written: what it locks stays locked until the
row can be counted.
"""

from typing import TYPE_CHECKING

from .conf import conf
from .exceptions import QuotaExceeded

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["refuse_beyond_quota"]


def refuse_beyond_quota(tenant: "AbstractTenant") -> None:
    """Raise QuotaExceeded if the project says why there may be no such tenant."""
    reason = None if conf.quota is None else conf.quota(tenant)
    if reason:
        raise QuotaExceeded(f"Tenant {tenant.slug!r} is not made: {reason}")

"""The demonstration's tenants: made, filled, one of them suspended. Imported when Django is set up."""

import time
from dataclasses import dataclass

from tenancy import lifecycle, tenant_context
from tenancy.models import Tenant

from ..accounts import COMPANIES, PAUSED
from ..helpdesk.models import ApiKey
from ..helpdesk.sample_data import Filled
from ..seed import seed


@dataclass(frozen=True)
class Desk:
    """One tenant of the demonstration.

    Attributes:
        tenant: Its row of the registry.
        provisioning_ms: How long its creation took, schema and all.
        filled: What was put into it.
        api_key: The secret of a key of its JSON endpoint.
    """

    tenant: Tenant
    provisioning_ms: float
    filled: Filled
    api_key: str

    @property
    def slug(self) -> str:
        """The tenant's slug, which is also the witness in its rows."""
        return self.tenant.slug


def open_all() -> list[Desk]:
    """Make the tenants that are visited, and the one that is paused."""
    desks = [_open(slug, name) for slug, name in COMPANIES.items()]
    lifecycle.suspend(Tenant.objects.create(name="Hooli Gadgets", slug=PAUSED))
    return desks


def _open(slug: str, name: str) -> Desk:
    started = time.perf_counter()
    tenant = Tenant.objects.create(name=name, slug=slug)
    provisioning_ms = 1000 * (time.perf_counter() - started)
    filled = seed(tenant)
    with tenant_context(tenant):
        return Desk(tenant, provisioning_ms, filled, ApiKey.issue("demo"))

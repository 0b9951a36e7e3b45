"""The fleet: how far all tenants' schemas are with their migrations, by a few statements for each database."""

from collections import defaultdict
from collections.abc import Sequence

from django_schemas import drift
from django_schemas.drift import Key

from .conf import conf
from .models import AbstractTenant
from .states import Status

__all__ = ["behind"]

_WITHOUT_SCHEMA = (Status.PROVISIONING, Status.DELETING, Status.GONE)


def behind(tenants: Sequence[AbstractTenant]) -> dict[AbstractTenant, list[Key]]:
    """The migrations that each tenant's schema lacks; tenants that have no schema, or set it aside, are left out."""
    by_db: dict[str, dict[str, AbstractTenant]] = defaultdict(dict)
    for tenant in tenants:
        if tenant.status not in _WITHOUT_SCHEMA:
            by_db[tenant.db][tenant.schema_name] = tenant
    found = {
        here[schema]: missing
        for db, here in by_db.items()
        for schema, missing in drift.behind(db, conf.environment, list(here)).items()
    }
    return {tenant: found[tenant] for tenant in tenants if tenant in found}

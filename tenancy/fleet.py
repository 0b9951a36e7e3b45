"""The fleet: how far all tenants' schemas are with their migrations, by a few statements for each database."""

from collections import defaultdict
from collections.abc import Sequence

from django_schemas.cohorts import Key, cohorts_of

from .conf import conf
from .models import AbstractTenant
from .states import Status

__all__ = ["behind"]

_WITHOUT_SCHEMA = (Status.PROVISIONING, Status.DELETING, Status.GONE)


def behind(tenants: Sequence[AbstractTenant]) -> dict[AbstractTenant, tuple[Key, ...]]:
    """The migrations that each tenant's schema lacks; tenants that have no schema, or set it aside, are left out."""
    by_db: dict[str, dict[str, AbstractTenant]] = defaultdict(dict)
    for tenant in tenants:
        if tenant.status not in _WITHOUT_SCHEMA:
            by_db[tenant.db][tenant.schema_name] = tenant
    found = {
        here[schema]: cohort.behind
        for db, here in by_db.items()
        for cohort in cohorts_of(db, list(here), conf.environment)
        for schema in cohort.schemas
    }
    return {tenant: found[tenant] for tenant in tenants if tenant in found}

"""The fleet: how far all tenants' schemas are with their migrations, by a few statements for each database.

A schema without records is left out: it is not there, or its first migration failed.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from django_schemas import drift
from django_schemas.drift import Key
from django_schemas.placement import Placement

from .conf import conf
from .models import AbstractTenant
from .states import Status

__all__ = ["behind", "behind_at"]

_WITHOUT_SCHEMA = (Status.PROVISIONING, Status.DELETING, Status.GONE)


def behind(tenants: Sequence[AbstractTenant]) -> dict[AbstractTenant, list[Key]]:
    """The migrations that each tenant's schema lacks; tenants that have no schema, or set it aside, are left out."""
    settled = [tenant for tenant in tenants if tenant.status not in _WITHOUT_SCHEMA]
    found = behind_at([tenant.placement for tenant in settled])
    return {tenant: found[tenant.placement] for tenant in settled if tenant.placement in found}


def behind_at(places: Collection[Placement]) -> dict[Placement, list[Key]]:
    """The migrations that schemas lack, by app and name."""
    by_db: defaultdict[str, list[str]] = defaultdict(list)
    for place in places:
        by_db[place.db].append(place.schema)
    return {
        Placement(db, schema): missing
        for db, schemas in by_db.items()
        for schema, missing in drift.behind(db, conf.environment, schemas).items()
    }

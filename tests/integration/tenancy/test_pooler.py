"""Tenants through PgBouncer in transaction mode."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.models import Tenant
from tests.apps.garage.models import Owner


@pytest.mark.usefixtures("pooled")
def test_tenants_are_made_and_purged(tenants: Any) -> None:
    """Several are made at once, each gets a schema of its own, and purging takes its schema and no other."""

    def make(name: str) -> Tenant:
        try:
            tenant = Tenant.objects.create(name=name, db="default")
            with tenant_context(tenant):
                Owner.objects.create(name=name, witness=name)
            return tenant
        finally:
            connections.close_all()

    names = ["Cyberdyne", "Soylent", "Tyrell"]
    with ThreadPoolExecutor(len(names)) as threads:
        made = list(threads.map(make, names))
    for tenant in made:
        with tenant_context(tenant):
            assert (tenant.status, [owner.witness for owner in Owner.objects.all()]) == ("active", [tenant.name])
    for tenant in made:
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)
    assert [schema_exists("default", tenant.schema_name) for tenant in made] == [False] * len(made)

"""Blueprints that are kept in the registry, wherever the tenant is whose schema was made the long way."""

from collections.abc import Iterator
from typing import Any

import pytest

from django_schemas import making
from django_schemas.schemas import schema_exists
from tenancy import lifecycle
from tenancy.blueprints import KeptBlueprint
from tenancy.models import Tenant

pytestmark = pytest.mark.usefixtures("committed", "tenants", "first")


@pytest.fixture
def first(committed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process has made a schema yet."""
    monkeypatch.setattr(making, "_known", {})
    KeptBlueprint.objects.all().delete()
    yield
    for tenant in Tenant.objects.filter(name__startswith="First"):
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_the_first_tenant_of_all(db: str) -> None:
    """It is made in any database, also in one that the registry is not in, and its blueprint is kept for the next."""
    tenant = Tenant.objects.create(name=f"First in {db}", db=db)
    assert (tenant.status, schema_exists(db, tenant.schema_name)) == ("active", True)
    assert KeptBlueprint.objects.filter(environment="tenant").count() == 1


def test_the_next_one(monkeypatch: pytest.MonkeyPatch, sent: Any) -> None:
    """In another process, and another database, it is made by that."""
    Tenant.objects.create(name="First one", db="shard2")
    monkeypatch.setattr(making, "_known", {})
    with sent() as statements:
        second = Tenant.objects.create(name="First but one", db="default")
    assert second.status == "active"
    # A migration at a time there would be twenty and more.
    assert len([sql for sql in statements if "CREATE TABLE" in sql]) < 10
    assert KeptBlueprint.objects.count() == 1

"""Tenants for the tests of this folder: three that are provisioned for real, once, and are rolled back to that."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tenancy import registry, tenant_context
from tenancy.lifecycle import delete, purge
from tenancy.models import Tenant
from tenancy.states import Status
from tests.apps.garage.models import Tag


@pytest.fixture(scope="session")
def provisioned(schemas: Any, django_db_blocker: Any) -> Iterator[dict[str, Tenant]]:
    """Tenants hooli and vehement on default, umbrella on shard2; in each a tag that names its owner."""
    with django_db_blocker.unblock():
        tenants = {}
        for slug, db in (("hooli", "default"), ("vehement", "default"), ("umbrella", "shard2")):
            tenants[slug] = Tenant.objects.create(name=slug.title(), slug=slug, db=db)
            with tenant_context(tenants[slug]):
                Tag.objects.update(witness=slug)
    yield tenants
    with django_db_blocker.unblock():
        for tenant in Tenant.objects.all():
            if tenant.status != Status.DELETING:
                delete(tenant)
            purge(tenant)
        connections.close_all()


@pytest.fixture
def tenants(provisioned: dict[str, Tenant]) -> Iterator[dict[str, Tenant]]:
    """The tenants as they are in the database now; nothing is remembered of them."""
    registry.forget()
    yield provisioned
    registry.forget()


@pytest.fixture
def hooli(tenants: dict[str, Tenant], db: None) -> Tenant:
    return Tenant.objects.get(slug="hooli")


@pytest.fixture
def vehement(tenants: dict[str, Tenant], db: None) -> Tenant:
    """A neighbour of hooli in the same database."""
    return Tenant.objects.get(slug="vehement")


@pytest.fixture
def umbrella(tenants: dict[str, Tenant], db: None) -> Tenant:
    """A tenant in the other database."""
    return Tenant.objects.get(slug="umbrella")


@pytest.fixture(autouse=True)
def _names_are_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests use names again that they just released, and have no process that remembers what these meant."""
    monkeypatch.setattr("tenancy.releasing._MARGIN", 0)

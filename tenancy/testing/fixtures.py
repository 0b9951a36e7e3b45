"""The fixtures: tenants and clients, on top of pytest-django's `db`, or of `transactional_db` where a test asks for it.

A project overrides one by defining it in its own conftest.py, and may ask for the original there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..context import tenant_context
from ..models import AbstractTenant
from . import making, stock
from .clients import AsyncTenantClient, TenantClient

__all__ = ["async_tenant_client", "make_tenant", "tenant", "tenant_client", "tenants"]

MakeTenant = Callable[..., AbstractTenant]


@pytest.fixture(scope="session")
def _cleared(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Nothing is left behind in a database that is kept."""
    yield
    with django_db_blocker.unblock():
        stock.clear()


@pytest.fixture(scope="class")
def _stock(_cleared: None, django_db_blocker: Any) -> None:
    """Schemas that wait for this test, or for those of its class; made before their transactions begin."""
    with django_db_blocker.unblock():
        stock.restock()


@pytest.fixture
def make_tenant(_stock: None, db: None) -> MakeTenant:
    """Make a tenant with its schema: `make_tenant("Acme", slug="acme", db="default")`; it is gone behind the test."""
    return making.make_tenant


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Iterator[AbstractTenant]:
    """A tenant, which is current in the test."""
    with tenant_context(make_tenant("Tenant")) as made:
        yield made


@pytest.fixture
def tenants(make_tenant: MakeTenant) -> tuple[AbstractTenant, AbstractTenant]:
    """Two tenants, neither of which is current."""
    return make_tenant("Tenant A"), make_tenant("Tenant B")


@pytest.fixture
def tenant_client(tenant: AbstractTenant) -> TenantClient:
    """Django's client, at the host of `tenant`."""
    return TenantClient(tenant)


@pytest.fixture
def async_tenant_client(tenant: AbstractTenant) -> AsyncTenantClient:
    """Django's asynchronous client, at the host of `tenant`."""
    return AsyncTenantClient(tenant)

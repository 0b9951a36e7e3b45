"""Three tenants that have the same keys everywhere, and say in their rows who they are. Each test is rolled back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from tenancy import registry, tenant_context
from tenancy.models import Tenant


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """The databases are there, and filled: see `setup`."""


@pytest.fixture(autouse=True)
def _all_databases(db: Any) -> Iterator[None]:
    cache.clear()
    registry.forget()
    mail.outbox = []
    yield
    registry.forget()


@pytest.fixture
def acme() -> Tenant:
    return Tenant.objects.get(slug="acme")


@pytest.fixture
def globex() -> Tenant:
    """A neighbour in the same database, whose content types have other keys."""
    return Tenant.objects.get(slug="globex")


@pytest.fixture
def initech() -> Tenant:
    """A tenant in the other database."""
    return Tenant.objects.get(slug="initech")


class Browser(Client):
    """A client at one tenant's host, which may be logged in there as `root`."""

    def __init__(self, tenant: Tenant, *, root: bool = False) -> None:
        super().__init__(headers={"host": f"{tenant.slug}.saas.test"})
        self.tenant = tenant
        if root:
            from django.contrib.auth.models import User

            with tenant_context(tenant):
                self.force_login(User.objects.get(username="root"), "django.contrib.auth.backends.ModelBackend")

    def session_of(self) -> dict[str, Any]:
        """What is kept in the session that its cookie names."""
        with tenant_context(self.tenant):
            return dict(self.session.items())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and no others that may be run with them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.django_db(databases="__all__"))

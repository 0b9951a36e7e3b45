"""Tenants for the proofs, which commit what they do: each is made for real and is gone behind its test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tenancy import lifecycle, registry, tenant_context
from tenancy.models import Tenant
from tests.apps.garage.models import Tag

Towns = Callable[[int], list[Tenant]]


@pytest.fixture(autouse=True)
def _names_are_free_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process remembers what names meant that a test used before."""
    monkeypatch.setattr("tenancy.releasing._MARGIN", 0)


@pytest.fixture
def towns(committed: None) -> Iterator[Towns]:
    """Makes so many tenants, in two databases in turn; in each one tag, `red`, that names it."""
    with ExitStack() as stack:

        def make(number: int) -> list[Tenant]:
            made = []
            for each in range(number):
                db = ("default", "shard2")[each % 2]
                tenant = Tenant.objects.create(name=f"Town {each}", slug=f"town-{each}", db=db)
                stack.callback(lifecycle.purge, tenant)
                stack.callback(lifecycle.delete, tenant)
                with tenant_context(tenant):
                    Tag.objects.all().delete()
                    Tag.objects.create(name="red", witness=tenant.slug)
                made.append(tenant)
            return made

        registry.forget()
        yield make
        registry.forget()

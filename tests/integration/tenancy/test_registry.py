"""The registry's memory: bounded in time and size, empty in transactions, told of changes, and nobody's object."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from django.db import connections, transaction

from tenancy import lifecycle, registry
from tenancy.models import Domain, Tenant
from tenancy.registry import remembered, tenant_by_host, tenant_by_slug


@pytest.fixture(autouse=True)
def _tenants(tenants: Any, committed: None) -> Iterator[None]:
    """Tenants that are committed, and no transaction around the test."""
    yield
    registry.forget()


def test_second_look_up_asks_nothing(nothing_sent: Any) -> None:
    """What was looked up is remembered, whether it was found or not."""
    found, missing = tenant_by_slug("hooli"), tenant_by_slug("nobody")
    with nothing_sent():
        again, missing_again = tenant_by_slug("hooli"), tenant_by_slug("nobody")
    assert (again, again.placement, missing, missing_again) == (found, found.placement, None, None)  # type: ignore[union-attr]


def test_each_caller_gets_an_object_of_its_own() -> None:
    """Changing the object one got changes nobody else's."""
    tenant_by_slug("hooli")
    mine, yours = tenant_by_slug("hooli"), tenant_by_slug("hooli")
    assert mine is not yours
    assert mine is not None
    mine.name = "Mine"
    assert (tenant_by_slug("hooli") or mine).name == "Hooli"


def test_forgets_after_the_ttl(settings: Any) -> None:
    """After CACHE_TTL_S a look-up asks again."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 0.05}
    tenant_by_slug("hooli")
    assert remembered(("slug", "hooli"))
    sleep(0.06)
    assert not remembered(("slug", "hooli"))


def test_forgets_the_oldest_beyond_its_size(settings: Any) -> None:
    """CACHE_SIZE bounds what a process remembers, of hosts that strangers make up too."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_SIZE": 2}
    for slug in ("hooli", "x", "y"):
        tenant_by_slug(slug)
    assert [remembered(("slug", slug)) for slug in ("hooli", "x", "y")] == [False, True, True]


def test_nothing_is_remembered_in_a_transaction() -> None:
    """What may be rolled back is not remembered."""
    with transaction.atomic():
        assert tenant_by_slug("hooli") is not None
    assert not remembered(("slug", "hooli"))


def test_told_of_changes() -> None:
    """A tenant or a domain that is saved or deleted is seen at once in this process."""
    assert tenant_by_host("new.test") is None
    domain = Domain.objects.create(host="new.test", tenant=Tenant.objects.get(slug="hooli"))
    seen = tenant_by_host("new.test")
    domain.delete()
    assert (seen and seen.slug, tenant_by_host("new.test")) == ("hooli", None)


def test_change_is_forgotten_when_it_is_committed() -> None:
    """What another thread looks up between a change and its commit is not remembered beyond the commit."""

    def look_up() -> str:
        try:
            tenant = tenant_by_slug("hooli")
            return tenant.status if tenant else ""
        finally:
            connections.close_all()

    tenant = Tenant.objects.get(slug="hooli")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lifecycle.suspend(tenant)
            before = pool.submit(look_up).result()
        after = pool.submit(look_up).result()
    lifecycle.resume(tenant)
    assert (before, after) == ("active", "suspended")

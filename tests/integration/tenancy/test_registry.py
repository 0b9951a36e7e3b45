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
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 0.5}
    tenant_by_slug("hooli")
    assert remembered(("slug", "hooli"))
    sleep(0.51)
    assert not remembered(("slug", "hooli"))


def test_forgets_the_oldest_beyond_its_size(settings: Any) -> None:
    """CACHE_SIZE bounds what a process remembers, and hosts that strangers make up push no tenant out."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_SIZE": 2}
    slugs = ("hooli", "vehement", "umbrella", "x", "y", "z")
    for slug in slugs:
        tenant_by_slug(slug)
    assert [remembered(("slug", slug)) for slug in slugs] == [False, True, True, False, True, True]


def test_json_is_each_callers_own() -> None:
    """What a caller does to the settings of the tenant that it got changes nobody else's."""
    tenant_by_slug("hooli")
    mine = tenant_by_slug("hooli")
    assert mine is not None
    mine.settings["plan"] = "mine"
    again = tenant_by_slug("hooli")
    assert again is not None
    assert again.settings == {}


def test_missing_is_remembered_briefly(settings: Any) -> None:
    """A tenant that was made elsewhere is found within a second or so, whatever the TTL."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 60}
    tenant_by_slug("nobody")
    tenant_by_slug("hooli")
    assert (remembered(("slug", "nobody")), remembered(("slug", "hooli"))) == (True, True)
    sleep(1.05)
    assert (remembered(("slug", "nobody")), remembered(("slug", "hooli"))) == (False, True)


def test_forgets_the_tenant_that_changed_alone() -> None:
    """A change of one tenant, or of a domain of it, makes nothing forgotten of another."""
    hooli = Tenant.objects.get(slug="hooli")
    domain = Domain.objects.create(host="one.test", tenant=hooli)
    for change in (hooli.save, domain.save):
        tenant_by_slug("hooli")
        tenant_by_slug("vehement")
        tenant_by_host("one.test")
        change()
        keys = (("slug", "hooli"), ("host", "one.test"), ("slug", "vehement"))
        assert [remembered(key) for key in keys] == [False, False, True]
    domain.delete()


def test_domain_that_is_given_to_another_tenant() -> None:
    """It leads to the new one at once, though it was remembered as the old one's."""
    hooli, vehement = (Tenant.objects.get(slug=slug) for slug in ("hooli", "vehement"))
    domain = Domain.objects.create(host="one.test", tenant=hooli)
    before = tenant_by_host("one.test")
    domain.tenant = vehement
    domain.save()
    after = tenant_by_host("one.test")
    domain.delete()
    assert (before, after) == (hooli, vehement)


@pytest.mark.parametrize("slug", ["", "Hooli", "hooli\x00", "hooli ", "h" * 64, "../hooli", "hööli"])
def test_what_is_no_slug_is_not_looked_up(nothing_sent: Any, slug: str) -> None:
    """What no tenant can be called asks nothing, and takes no memory."""
    with nothing_sent():
        assert tenant_by_slug(slug) is None


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

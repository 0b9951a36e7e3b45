"""Asking many tenants at once, and doing the same in each."""

from collections.abc import Callable, Collection, Iterator
from threading import get_ident
from time import monotonic, sleep

import pytest
from django.db import connections

from django_schemas.replicas import note_write
from tenancy import current_tenant, tenant_context
from tenancy.exceptions import TenantNotActive
from tenancy.lifecycle import resume, suspend
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.audit.capture import raw_sql

rolled_back = pytest.mark.django_db(databases="__all__")


@rolled_back
def test_tenants_by_slug(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """Rows of tenants say in the column `tenant` whose they are."""
    with raw_sql("asks several tenants"):
        found = Tag.across(Tenant.objects.active().filter(slug__in=("hooli", "umbrella", "vehement")))
        assert sorted(found.values_list("tenant", "witness")) == [
            (slug, slug) for slug in ("hooli", "umbrella", "vehement")
        ]
        assert [tag.tenant for tag in found.filter(tenant__startswith="h")] == ["hooli"]


@rolled_back
def test_only_active_tenants(hooli: Tenant, vehement: Tenant) -> None:
    """A tenant that is not served is refused; its placement may be asked, for maintenance."""
    suspend(vehement)
    vehement.refresh_from_db()
    with pytest.raises(TenantNotActive, match="'vehement' is suspended"):
        Tag.across([hooli, vehement])
    assert Tag.across([vehement.placement]).get().witness == "vehement"
    assert Tag.across([vehement.placement]).values_list("placement", flat=True)[0] == "default.vehement"


def seen(tenant: Tenant) -> tuple[str, str]:
    assert current_tenant() == tenant
    return tenant.slug, Tag.objects.get().witness


@rolled_back
def test_each(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """Each tenant is current for its own turn, and none behind it; what fails stops no other, and is told last."""
    names = ["hooli", "umbrella", "vehement"]
    assert [result for _, result in Tenant.objects.order_by("slug").each(seen)] == [(name, name) for name in names]

    def failing(tenant: Tenant) -> str:
        if tenant.slug != "umbrella":
            raise ValueError(tenant.slug)
        return tenant.slug

    done = []
    with pytest.raises(ExceptionGroup, match="2 tenants failed") as failed:
        done.extend(result for _, result in Tenant.objects.order_by("slug").each(failing))
    assert [str(error) for error in failed.value.exceptions] == ["hooli", "vehement"]
    assert [error.__notes__ for error in failed.value.exceptions] == [["In tenant 'hooli'."], ["In tenant 'vehement'."]]
    assert current_tenant() is None


@rolled_back
def test_each_without_a_database(hooli: Tenant, vehement: Tenant) -> None:
    """Nor does one whose database has left the settings."""
    Tenant.objects.filter(pk=hooli.pk).update(db="nowhere")
    done = []
    with pytest.raises(ExceptionGroup, match="1 tenants failed") as failed:
        done.extend(Tenant.objects.filter(slug__in=("hooli", "vehement")).order_by("slug").each(seen))
    assert [(tenant.slug, result) for tenant, result in done] == [("vehement", ("vehement", "vehement"))]
    assert failed.value.exceptions[0].__notes__ == ["In tenant 'hooli'."]


@rolled_back
def test_each_reads_the_tenant_again(hooli: Tenant, vehement: Tenant) -> None:
    """One that was suspended while others had their turn is not visited."""
    visited = []

    def work(tenant: Tenant) -> None:
        visited.append(tenant.slug)
        suspend(Tenant.objects.get(slug="vehement"))

    with pytest.raises(ExceptionGroup) as failed:
        list(Tenant.objects.filter(slug__in=("hooli", "vehement")).order_by("slug").each(work))
    assert visited == ["hooli"]
    assert isinstance(failed.value.exceptions[0], TenantNotActive)


@pytest.fixture
def left_alone(committed: None, provisioned: dict[str, Tenant]) -> Iterator[list[Tenant]]:
    yield list(Tenant.objects.order_by("slug"))


def test_each_in_threads(left_alone: list[Tenant]) -> None:
    """In threads each has its own tenant, and its own connections, of which none is left."""

    def work(tenant: Tenant) -> tuple[str, str, int, int]:
        for _ in range(20):
            slug, witness = seen(tenant)
        return slug, witness, get_ident(), session(tenant)

    with tenant_context(left_alone[0]):
        found = [result for _ in range(5) for _, result in Tenant.objects.all().each(work, threads=3)]
    assert sorted({(slug, witness) for slug, witness, *_ in found}) == [(t.slug, t.slug) for t in left_alone]
    assert get_ident() not in {thread for _, _, thread, _ in found}
    assert within_s(5, lambda: not there({own for *_, own in found}))


def test_reading_no_further(left_alone: list[Tenant]) -> None:
    """Who stops reading stops the visits: what has begun is waited for, and nothing is left."""
    begun: list[int] = []
    visits = Tenant.objects.all().each(lambda tenant: begun.append(session(tenant)), threads=2)
    next(visits)
    visits.close()
    assert 1 <= len(begun) <= 3
    assert within_s(5, lambda: not there(begun))
    with pytest.raises(ValueError, match="at least 1"):
        list(Tenant.objects.all().each(seen, threads=0))


@pytest.mark.parametrize("threads", [1, 2])
def test_sessions_are_recycled(left_alone: list[Tenant], monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Between two tenants a session ends that has seen as many schemas as it may."""
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict, "MAX_SCHEMAS_PER_CONNECTION", 2)

    def work(tenant: Tenant) -> int:
        note_write(tenant.db)  # No replica is read.
        assert seen(tenant) == (tenant.slug, tenant.slug)
        return session(tenant)

    both = Tenant.objects.filter(slug__in=("hooli", "vehement"))
    found = [pid for _ in range(3) for _, pid in both.each(work, threads=threads)]
    assert len(set(found)) == len(found) == 6


def test_more_threads_than_connections(left_alone: list[Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that are between two tenants leave their places to others."""
    for db in ("default", "shard2"):
        connections[db].close()
        monkeypatch.setitem(connections[db].settings_dict, "MAX_CONNECTIONS", 2)
    found = [result for _ in range(5) for _, result in Tenant.objects.all().each(seen, threads=4)]
    assert sorted(found) == sorted([(t.slug, t.slug) for t in left_alone] * 5)


def within_s(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something holds soon: a server's processes end a moment after their connections."""
    deadline = monotonic() + seconds
    while not holds():
        if monotonic() > deadline:
            return False
        sleep(0.02)
    return True


def session(tenant: Tenant) -> int:
    """The process that serves this thread in the tenant's database."""
    with connections[tenant.db].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def there(pids: Collection[int]) -> list[int]:
    """Those of some processes that are there, of whichever database of the server."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [list(pids)])
        return [pid for (pid,) in cursor.fetchall()]


@rolled_back
def test_resumed_is_asked_again(vehement: Tenant) -> None:
    suspend(vehement)
    resume(Tenant.objects.get(slug="vehement"))
    assert Tag.across(Tenant.objects.filter(slug="vehement")).get().witness == "vehement"

"""Whom background work is for, and whether it may be done now."""

from typing import Any

import pytest

from tenancy import current_tenant, registry, tenant_context
from tenancy.background import Refused, active_owners, addressee
from tenancy.exceptions import RegistryUnavailable, TenantNotActive, UnknownTenant
from tenancy.models import Tenant
from tenancy.states import Status
from tests.queues.page import block

pytestmark = pytest.mark.django_db(databases="__all__")


def why(owner: Any) -> tuple[type[Exception], float | None]:
    """What work of a tenant's is refused by, and when it is tried again."""
    registry.forget()
    found = addressee(str(owner))
    assert isinstance(found, Refused)
    return type(found.error), found.retry_after_s


def test_active(hooli: Tenant, umbrella: Tenant, nothing_sent: Any) -> None:
    """It is the tenant with that id, which is looked up once."""
    assert [addressee(str(each.pk)) for each in (hooli, umbrella)] == [hooli, umbrella]


@pytest.mark.parametrize("status", sorted(set(Status.values) - {Status.ACTIVE}))
def test_status(hooli: Tenant, umbrella: Tenant, status: str, settings: Any) -> None:
    """A tenant that is not active is refused, for a while or for good as TASKS_RETRY says; its neighbour is not."""
    Tenant.objects.filter(pk=hooli.pk).update(status=status)
    assert why(hooli.pk) == (TenantNotActive, 5 if status in ("moving", "provisioning") else None)
    assert addressee(str(umbrella.pk)) == umbrella
    settings.TENANCY = {**settings.TENANCY, "TASKS_RETRY": {"suspended": 60}}
    assert why(hooli.pk) == (TenantNotActive, 60 if status == "suspended" else None)


@pytest.mark.parametrize("owner", ["", "1", "hooli", "00000000-0000-0000-0000-000000000000", "\x00", "é" * 100])
def test_unknown(hooli: Tenant, owner: str) -> None:
    """What names nobody is refused for good."""
    assert why(owner) == (UnknownTenant, None)


def test_behind(hooli: Tenant, umbrella: Tenant, settings: Any) -> None:
    """With BEHIND a tenant whose schema lacks a migration waits until it has it; its neighbour does not."""
    Tenant.objects.filter(pk=hooli.pk).update(migrated_to={})
    registry.forget()
    assert addressee(str(hooli.pk)) == hooli
    settings.TENANCY = {**settings.TENANCY, "BEHIND": "refuse"}
    assert why(hooli.pk) == (TenantNotActive, 5)
    assert addressee(str(umbrella.pk)) == umbrella


def test_registry_away(hooli: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the registry can't be asked, work waits."""

    def unavailable(owner: str) -> None:
        raise RegistryUnavailable()

    monkeypatch.setattr("tenancy.background.tenant_by_id", unavailable)
    assert why(hooli.pk) == (RegistryUnavailable, 5)


def test_active_owners(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """The ids of all that are active, and of no others."""
    Tenant.objects.filter(pk=vehement.pk).update(status=Status.SUSPENDED)
    active = set(active_owners())
    assert {str(hooli.pk), str(umbrella.pk)} <= active
    assert str(vehement.pk) not in active


class Queue:
    """A queue of any kind: what is put in is called later."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []

    def enqueue(self, *job: Any) -> None:
        self.jobs.append(job)

    def work(self) -> list[Any]:
        return [function(*args) for function, *args in self.jobs]


def test_other_queues(hooli: Tenant, umbrella: Tenant) -> None:
    """What the page tells to write for other queues does it."""
    code: dict[str, Any] = {}
    exec(block("Other queues"), code)
    queue = Queue()
    for tenant in (hooli, umbrella):
        with tenant_context(tenant):
            code["enqueue_here"](queue, current_tenant)
    assert queue.work() == [hooli, umbrella]
    Tenant.objects.filter(pk=umbrella.pk).update(status=Status.SUSPENDED)
    registry.forget()
    with pytest.raises(TenantNotActive):
        queue.work()
    assert current_tenant() is None

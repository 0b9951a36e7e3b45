"""The log of what was done to tenants: complete, with who did it, and never changed."""

import pytest
from django.db import DatabaseError, transaction

from tenancy import lifecycle
from tenancy.events import TenantEvent, acting, shell_user
from tenancy.models import Tenant
from tests.integration.tenancy.test_command import tenant as command

pytestmark = pytest.mark.django_db(databases="__all__")


def test_a_life_is_logged(tenants: object) -> None:
    """Each change names the tenant, the old and the new status, who did it and why, and outlives the tenant."""
    tenant = Tenant.objects.create(name="Logged", db="default")
    with acting("ada"):
        lifecycle.suspend(tenant, "unpaid")
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)
    events = TenantEvent.objects.filter(tenant_id=str(tenant.pk))
    assert [(event.slug, event.kind, event.old, event.new, event.actor, event.data) for event in events] == [
        ("logged", "created", "", "provisioning", "", {"placement": "default.logged"}),
        ("logged", "status", "provisioning", "active", "", {}),
        ("logged", "status", "active", "suspended", "ada", {"reason": "unpaid"}),
        ("logged", "status", "suspended", "deleting", "", {}),
        ("logged", "status", "deleting", "gone", "", {}),
        ("logged", "purged", "", "", "", {"released": ["default.logged", "logged"]}),
    ]


def test_command_says_who(hooli: Tenant) -> None:
    """What a command does is logged with the user of the shell."""
    command("suspend", "hooli")
    assert TenantEvent.objects.last().actor == shell_user() != ""


def test_undone_is_not_logged(hooli: Tenant) -> None:
    """An event is part of the transaction of what it tells of."""
    before = TenantEvent.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        lifecycle.suspend(hooli)
        1 / 0  # noqa: B018
    assert TenantEvent.objects.count() == before


@pytest.mark.parametrize("change", ["update", "delete", "raw"])
def test_events_are_kept(hooli: Tenant, change: str) -> None:
    """The database refuses to change or delete an event, by whatever way."""
    lifecycle.suspend(hooli)
    events = TenantEvent.objects.filter(tenant_id=str(hooli.pk))
    with pytest.raises(DatabaseError, match="kept as they were written"), transaction.atomic():
        if change == "update":
            events.update(actor="nobody")
        elif change == "delete":
            events.delete()
        else:
            events._raw_delete(events.db)
    assert events.last().new == "suspended"

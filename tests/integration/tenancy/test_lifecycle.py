"""A tenant's life after it was made: what may follow what, and who is told."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, signals
from tenancy.events import TenantEvent
from tenancy.exceptions import IllegalTransition, TenancyError
from tenancy.models import Domain, Tenant
from tenancy.states import Status

pytestmark = pytest.mark.django_db(databases="__all__")

LEGAL = {
    ("provisioning", "active"),
    ("provisioning", "failed"),
    ("provisioning", "deleting"),
    ("active", "suspended"),
    ("active", "moving"),
    ("active", "deleting"),
    ("suspended", "active"),
    ("suspended", "moving"),
    ("suspended", "deleting"),
    ("moving", "active"),
    ("moving", "suspended"),
    ("moving", "deleting"),
    ("failed", "provisioning"),
    ("failed", "deleting"),
    ("deleting", "active"),
    ("deleting", "suspended"),
    ("deleting", "failed"),
    ("deleting", "gone"),
}


@pytest.mark.parametrize("new", Status)
@pytest.mark.parametrize("old", Status)
def test_transitions(hooli: Tenant, old: Status, new: Status) -> None:
    """A tenant goes from a status to those that may follow it, and to no other."""
    Tenant.objects.filter(pk=hooli.pk).update(status=old)
    if (old, new) in LEGAL:
        hooli.set_status(new, "because")
        changed = Tenant.objects.get(pk=hooli.pk)
        assert (changed.status, changed.status_reason) == (new, "because")
    else:
        with pytest.raises(IllegalTransition, match=f"'hooli' is {old} and can't become {new}"):
            hooli.set_status(new)
        assert Tenant.objects.get(pk=hooli.pk).status == old


def test_stale_object_decides_nothing(hooli: Tenant) -> None:
    """The status in the database decides, not that of an object read before it changed."""
    Tenant.objects.filter(pk=hooli.pk).update(status="deleting")
    with pytest.raises(IllegalTransition):
        lifecycle.suspend(hooli)


def test_life(hooli: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    """Suspend, resume, delete, restore, delete, purge: each is told once it is committed."""
    heard: list[tuple[str, str, str]] = []

    def hear(tenant: Tenant, old: str, new: str, reason: str, **kwargs: Any) -> None:
        heard.append((old, new, reason))

    signals.tenant_status_changed.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.suspend(hooli, "unpaid")
        assert heard == []
        lifecycle.resume(hooli)
        lifecycle.delete(hooli)
        lifecycle.restore(hooli)
        lifecycle.delete(hooli, "asked for")
        lifecycle.purge(hooli)
    signals.tenant_status_changed.disconnect(hear)
    assert heard == [
        ("active", "suspended", "unpaid"),
        ("suspended", "active", ""),
        ("active", "deleting", ""),
        ("deleting", "active", ""),
        ("active", "deleting", "asked for"),
        ("deleting", "gone", ""),
    ]
    assert (schema_exists("default", "hooli"), Tenant.objects.filter(slug="hooli").count()) == (False, 0)


def test_purge_needs_a_deletion_first(hooli: Tenant) -> None:
    """An active tenant can't be purged."""
    with pytest.raises(IllegalTransition):
        lifecycle.purge(hooli)
    assert schema_exists("default", "hooli")


@pytest.mark.parametrize("how", ["instance", "queryset"])
def test_rows_are_not_deleted_by_hand(hooli: Tenant, how: str) -> None:
    """Neither an object's nor a queryset's delete() leaves a schema without its tenant."""
    with pytest.raises(TenancyError, match="purge"), transaction.atomic():
        hooli.delete() if how == "instance" else Tenant.objects.all().delete()
    assert Tenant.objects.filter(slug="hooli").exists()


def test_domains_go_with_their_tenant(hooli: Tenant) -> None:
    """A purge frees the hosts."""
    Domain.objects.create(host="hooli.example", tenant=hooli)
    lifecycle.delete(hooli)
    lifecycle.purge(hooli)
    assert Domain.objects.count() == 0


def test_an_old_object_undoes_nothing(hooli: Tenant) -> None:
    """Saving an object that was read before leaves alone what was done to the tenant meanwhile."""
    lifecycle.suspend(Tenant.objects.get(pk=hooli.pk), "unpaid")
    Tenant.objects.filter(pk=hooli.pk).update(db="shard2", work={"kind": "x"})
    hooli.name, hooli.settings = "Hooli XYZ", {"plan": "gold"}
    hooli.save()
    found = Tenant.objects.get(pk=hooli.pk)
    assert (found.name, found.settings) == ("Hooli XYZ", {"plan": "gold"})
    assert (found.status, found.status_reason, found.db, found.work) == ("suspended", "unpaid", "shard2", {"kind": "x"})


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "provisioning"), ("db", "shard2"), ("schema_name", "x"), ("slug", "x"), ("work", {})],
)
def test_life_is_not_written_by_hand(hooli: Tenant, field: str, value: Any) -> None:
    """What has functions of its own is not changed by assigning it, and no status that may not follow."""
    setattr(hooli, field, value)
    hooli.name = "Other"
    with pytest.raises(TenancyError, match=str(value) if field == "status" else field):
        hooli.save()
    assert Tenant.objects.get(pk=hooli.pk).name == "Hooli"


def test_a_status_that_is_assigned(hooli: Tenant) -> None:
    """A status may be assigned if it may follow; it is logged as any other change."""
    hooli.status, hooli.name = "suspended", "Other"
    hooli.save()
    found = Tenant.objects.get(pk=hooli.pk)
    assert (found.status, found.name) == ("suspended", "Other")
    event = TenantEvent.objects.filter(tenant_id=str(hooli.pk)).latest("pk")
    assert (event.kind, event.old, event.new) == ("status", "active", "suspended")


def test_a_purged_tenant_does_not_come_back(hooli: Tenant) -> None:
    """An object whose tenant is gone can't be saved into being again."""
    old = Tenant.objects.get(pk=hooli.pk)
    lifecycle.delete(hooli)
    lifecycle.purge(hooli)
    with pytest.raises(DatabaseError), transaction.atomic():
        old.save()
    assert not Tenant.objects.filter(slug="hooli").exists()


def test_saved_again_and_again(hooli: Tenant) -> None:
    """What was changed by its function, or read again, is no change by hand; nor is what was not read at all."""
    lifecycle.suspend(hooli)
    hooli.save()
    Tenant.objects.filter(pk=hooli.pk).update(db="shard2")
    hooli.refresh_from_db()
    hooli.save()
    part = Tenant.objects.only("name").get(pk=hooli.pk)
    part.name = "Part"
    part.save()
    found = Tenant.objects.get(pk=hooli.pk)
    assert (found.name, found.status, found.db) == ("Part", "suspended", "shard2")

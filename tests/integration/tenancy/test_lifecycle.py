"""A tenant's life after it was made: what may follow what, and who is told."""

from typing import Any

import pytest
from django.db import transaction

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, signals
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

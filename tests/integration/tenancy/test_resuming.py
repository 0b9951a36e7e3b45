"""What was cut off goes on, by the function that belongs to its kind."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_schemas.schemas import schema_exists
from tenancy.exceptions import TenancyError
from tenancy.lifecycle import resume_work
from tenancy.lifecycle.resuming import WORK, resumes
from tenancy.models import Tenant

pytestmark = pytest.mark.django_db(databases="__all__")


def test_work_goes_to_the_function_of_its_kind(hooli: Tenant, monkeypatch: Any) -> None:
    """The function is given the tenant as its row is now."""
    monkeypatch.setattr("tenancy.lifecycle.resuming.WORK", dict(WORK))
    resumes("dig")(lambda tenant: f"dug {tenant.work['depth']} m for {tenant.name}")
    Tenant.objects.filter(pk=hooli.pk).update(work={"kind": "dig", "depth": 3}, name="Renamed")
    assert resume_work(hooli) == "dug 3 m for Renamed"


@pytest.mark.parametrize("status", ["provisioning", "failed"])
def test_what_was_not_provisioned_is(tenants: Any, settings: Any, status: str) -> None:
    """A tenant that is provisioning or failed, and has no work, is provisioned."""
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": "manual"}
    tenant = Tenant.objects.create(name="Late", db="shard2")
    Tenant.objects.filter(pk=tenant.pk).update(status=status)
    assert resume_work(tenant) == "provisioned"
    assert (Tenant.objects.get(slug="late").status, schema_exists("shard2", "late")) == ("active", True)


def test_unknown_kind(hooli: Tenant) -> None:
    """Work of another version's is not guessed at."""
    Tenant.objects.filter(pk=hooli.pk).update(work={"kind": "juggle"})
    with pytest.raises(TenancyError, match="unknown kind 'juggle'"):
        resume_work(hooli)


def test_command(hooli: Tenant, vehement: Tenant) -> None:
    """`tenant resume-work` says of each what was done; one that can't be resumed does not stop the others."""
    Tenant.objects.filter(pk=hooli.pk).update(work={"kind": "juggle"})
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match=r"Not done for hooli\."):
        call_command("tenant", "resume-work", "hooli", "vehement", stdout=out, stderr=err)
    assert out.getvalue() == "vehement: nothing to do: it is active\n"
    assert err.getvalue().startswith("hooli: TenancyError: Tenant 'hooli' has work of the unknown kind 'juggle'")

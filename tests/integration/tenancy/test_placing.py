"""Where new tenants go, and when their schema is made."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from django_schemas.schemas import schema_exists
from tenancy.exceptions import TenantExists
from tenancy.models import Tenant
from tenancy.placing import round_robin, smallest
from tenancy.states import Status

pytestmark = pytest.mark.django_db(databases="__all__")

BOTH = ("default", "shard2")


def test_round_robin(tenants: Any, settings: Any) -> None:
    """Each tenant goes to the database behind that of the one before."""
    settings.TENANCY = {**settings.TENANCY, "PLACING": "tenancy.placing.round_robin", "PROVISIONING": "manual"}
    made = [Tenant.objects.create(name=f"round {number}").db for number in range(4)]
    assert made in (["default", "shard2"] * 2, ["shard2", "default"] * 2)
    assert round_robin(Tenant(), ("elsewhere",)) == "elsewhere"


def test_smallest(tenants: Any) -> None:
    """The database that takes the least room on disk, whatever is in it."""
    sizes = {}
    for db in BOTH:
        with connections[db].cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            sizes[db] = cursor.fetchone()[0]
    assert smallest(Tenant(), BOTH) == min(BOTH, key=sizes.__getitem__)


enqueued: list[str] = []


def enqueue(tenant: Tenant) -> None:
    enqueued.append(tenant.slug)


@pytest.mark.parametrize("how", ["manual", "on_commit", f"{__name__}.enqueue", enqueue])
def test_when(tenants: Any, settings: Any, how: Any, django_capture_on_commit_callbacks: Any) -> None:
    """Not before the commit; then at once, or by what is called with the tenant, or never."""
    enqueued.clear()
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": how}
    with django_capture_on_commit_callbacks(execute=True):
        Tenant.objects.create(name="Later", db="default")
        assert (Tenant.objects.get(slug="later").status, enqueued) == ("provisioning", [])
    made = how == "on_commit"
    assert (Tenant.objects.get(slug="later").status, schema_exists("default", "later")) == (
        "active" if made else "provisioning",
        made,
    )
    assert enqueued == ([] if how in ("manual", "on_commit") else ["later"])


@pytest.mark.parametrize("status", [Status.PROVISIONING, Status.FAILED])
@pytest.mark.parametrize("db", BOTH)
def test_creating_again_goes_on(tenants: Any, settings: Any, status: str, db: str) -> None:
    """`tenant create` of what was cut off goes on with it, and adds the hosts; from code it says how to go on."""
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": "manual"}
    first = Tenant.objects.create(name="Again", db=db)
    Tenant.objects.filter(pk=first.pk).update(status=status)
    with pytest.raises(TenantExists, match=f"That one is {status}: `manage.py tenant resume-work again`"):
        Tenant.objects.create(name="Again", db=db)
    out = StringIO()
    for other in (["Another", "--slug", "again"], ["Again", "--schema", "elsewhere"]):
        with pytest.raises(CommandError, match="is taken"), transaction.atomic():
            call_command("tenant", "create", *other, "--db", db, stdout=out)
    call_command("tenant", "create", "Again", "--db", db, "--domain", "again.example", stdout=out)
    found = Tenant.objects.get(slug="again")
    assert (found.pk, found.status, [domain.host for domain in found.domains.all()]) == (
        first.pk,
        "active",
        ["again.example"],
    )
    with pytest.raises(CommandError, match="is taken"):
        call_command("tenant", "create", "Again", "--db", db, stdout=out)

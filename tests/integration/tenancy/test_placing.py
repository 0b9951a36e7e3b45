"""Where new tenants go, and when their schema is made."""

from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from django_schemas.exceptions import ConfigError
from django_schemas.schemas import schema_exists
from tenancy.events import record
from tenancy.exceptions import TenantExists
from tenancy.models import Tenant
from tenancy.placing import round_robin, smallest
from tenancy.registry import tenant_by_slug
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


def weigh(settings: Any, placing: str, **weights: float) -> None:
    settings.TENANCY = {
        **settings.TENANCY,
        "DATABASES": weights,
        "PLACING": f"tenancy.placing.{placing}",
        "PROVISIONING": "manual",
    }


def placed(number: int) -> list[str]:
    there = Tenant.objects.count()
    return [Tenant.objects.create(name=f"weighed {there + each}").db for each in range(number)]


def test_fewest_by_weight(tenants: Any, settings: Any) -> None:
    """One that weighs three times as much has three times as many in the end; one on its way counts where it goes."""
    weigh(settings, "fewest_tenants", default=1, shard2=3)
    before = Tenant.objects.count()
    placed(16 - before)
    assert Counter(Tenant.objects.values_list("db", flat=True)) == {"default": 4, "shard2": 12}
    Tenant.objects.filter(db="shard2").update(work={"kind": "move", "to": "default"})
    assert set(placed(5)) == {"shard2"}


def test_round_robin_by_weight(tenants: Any, settings: Any) -> None:
    """One that weighs twice as much gets two in turn. Where the newest one was moved to counts."""
    weigh(settings, "round_robin", default=0.5, shard2=1)
    made = placed(6)
    assert made in [(["default", "shard2", "shard2"] * 3)[first : first + 6] for first in range(3)]
    newest = Tenant.objects.latest("created_at")
    record(newest, "moved", old="default.x", new="default.x")
    assert placed(3) == ["shard2", "shard2", "default"]


def test_smallest_by_weight(tenants: Any, settings: Any) -> None:
    """What counts is the room that is taken for each unit of weight."""
    for heavy in BOTH:
        weigh(settings, "smallest", **{db: 1000 if db == heavy else 1 for db in BOTH})
        assert smallest(Tenant(), BOTH) == heavy


@pytest.mark.parametrize("placing", ["fewest_tenants", "round_robin", "smallest"])
def test_no_weight(tenants: Any, settings: Any, placing: str) -> None:
    """Nothing new is placed where the weight is 0, unless it is named; whoever is there is served."""
    weigh(settings, placing, default=0, shard2=1)
    assert set(placed(4)) == {"shard2"}
    assert Tenant.objects.create(name="named", db="default").db == "default"
    assert tenant_by_slug("hooli") == tenants["hooli"]
    weigh(settings, placing, default=0)
    with pytest.raises(ConfigError, match="No database may take a tenant"):
        placed(1)

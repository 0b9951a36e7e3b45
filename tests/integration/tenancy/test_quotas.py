"""Quotas: the project says whether there may be a new tenant, before anything is made. Features: what one may use."""

from io import StringIO
from threading import Barrier, Thread
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.test import override_settings

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, signals
from tenancy.decorators import feature_required
from tenancy.exceptions import QuotaExceeded
from tenancy.features import has_feature
from tenancy.lifecycle import delete, purge
from tenancy.models import Tenant

ASKED: list[tuple[str, str, str, bool]] = []


def one_trial_each(tenant: Any) -> str | None:
    """An owner may have one tenant: counted behind a lock, so that of two at a time one finds the other."""
    owner = tenant.settings.get("owner")
    ASKED.append((tenant.slug, tenant.db, tenant.schema_name, tenant._state.adding))
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(owner)])
    if owner and Tenant.objects.using("default").filter(settings__owner=owner).exists():
        return f"{owner} has one already."
    return None


@pytest.fixture(params=[one_trial_each, f"{__name__}.one_trial_each"])
def quota(request: Any, settings: Any) -> None:
    settings.TENANCY = {**settings.TENANCY, "QUOTA": request.param}
    ASKED.clear()


def make(name: str, owner: str = "eva") -> Tenant:
    return Tenant.objects.create(name=name, db="default", settings={"owner": owner})


@pytest.mark.django_db(databases="__all__")
def test_refused(quota: None, tenants: Any) -> None:
    """One that is refused leaves no row, no schema and no event, and nobody is told; others' are made."""
    make("First")
    told: list[Any] = []
    signals.tenant_created.connect(lambda tenant, **kwargs: told.append(tenant.slug), weak=False, dispatch_uid="told")
    try:
        with pytest.raises(QuotaExceeded, match="'second' is not made: eva has one already"):
            make("Second")
        make("Third", owner="adam")
    finally:
        signals.tenant_created.disconnect(dispatch_uid="told")
    assert told == ["third"]
    assert not Tenant.objects.filter(slug="second").exists()
    assert not schema_exists("default", "second")
    assert ASKED[1] == ("second", "default", "second", True)


@pytest.mark.django_db(databases="__all__")
def test_not_asked_again(quota: None, tenants: Any) -> None:
    """It is asked of new tenants; saving one, suspending it, and provisioning it again ask nothing."""
    tenant = make("First")
    tenant.settings["plan"] = "gold"
    tenant.save()
    lifecycle.suspend(tenant)
    assert len(ASKED) == 1


@pytest.mark.django_db(databases="__all__")
def test_command(settings: Any, tenants: Any) -> None:
    """The command line tells the reason, in a line."""
    settings.TENANCY = {**settings.TENANCY, "QUOTA": lambda tenant: "the house is full."}
    with pytest.raises(CommandError, match=r"Tenant 'fourth' is not made: the house is full\."):
        call_command("tenant", "create", "Fourth", stdout=StringIO(), stderr=StringIO())


def test_race(quota: None, tenants: Any, committed: None) -> None:
    """What it locks stays locked until the row is there: of four sign-ups at a time one is let in."""
    barrier, ends = Barrier(4), []

    def sign_up(number: int) -> None:
        try:
            barrier.wait()
            ends.append(make(f"race {number}").slug)
        except QuotaExceeded:
            ends.append("refused")
        finally:
            connections.close_all()

    threads = [Thread(target=sign_up, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = list(Tenant.objects.filter(slug__startswith="race"))
    for tenant in made:
        delete(tenant)
        purge(tenant)
    assert (len(made), ends.count("refused")) == (1, 3)


@feature_required("reports")
def reports(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reports")


@feature_required("reports")
async def areports(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reports")


@pytest.mark.parametrize(
    ("features", "allowed"),
    [(["reports"], True), (["a", "reports"], True), ([], False), (["reports-lite"], False), ("reports", False),
     ({"reports": False}, False), (None, False)],
)  # fmt: skip
def test_features(features: Any, allowed: bool) -> None:
    """A view is there for those that have its feature; nothing but a list names any."""
    tenant = Tenant(settings={"features": features})
    assert has_feature(tenant, "reports") is allowed
    assert [answered(view, tenant) for view in (reports, areports)] == [allowed, allowed]


def test_no_features() -> None:
    """One that names none has none; nor has the public host."""
    assert [answered(view, tenant) for view in (reports, areports) for tenant in (Tenant(), None)] == [False] * 4


def answered(view: Any, tenant: Tenant | None) -> bool:
    request = HttpRequest()
    request.tenant = tenant  # type: ignore[attr-defined]
    try:
        response = async_to_sync(view)(request) if view is areports else view(request)
    except Http404:
        return False
    return bool(response.content == b"reports")


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_raising_receiver(tenants: Any, committed: None, db: str) -> None:
    """A receiver of `tenant_provisioning` that raises stops it: the error is the caller's, the tenant stays
    *provisioning*, without a schema, and can be taken up again.
    """

    def refuse(tenant: Tenant, **kwargs: Any) -> None:
        raise RuntimeError("not today")

    signals.tenant_provisioning.connect(refuse)
    try:
        with pytest.raises(RuntimeError, match="not today"):
            Tenant.objects.create(name="Fifth", db=db)
    finally:
        signals.tenant_provisioning.disconnect(refuse)
    tenant = Tenant.objects.get(slug="fifth")
    found = tenant.status, schema_exists(db, "fifth")
    lifecycle.resume_work(tenant)
    status = tenant.status
    delete(tenant)
    purge(tenant)
    assert (found, status) == (("provisioning", False), "active")


def test_raising_receiver_in_a_transaction(tenants: Any, committed: None) -> None:
    """In the caller's transaction, on the registry's database, the error rolls it all back unless it is caught."""

    def refuse(tenant: Tenant, **kwargs: Any) -> None:
        raise RuntimeError("not today")

    signals.tenant_provisioning.connect(refuse)
    try:
        with pytest.raises(RuntimeError, match="not today"), transaction.atomic():
            Tenant.objects.create(name="Sixth", db="default")
    finally:
        signals.tenant_provisioning.disconnect(refuse)
    assert not Tenant.objects.filter(slug="sixth").exists()


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_raising_receiver_behind(tenants: Any, committed: None, db: str) -> None:
    """A receiver of `tenant_provisioned` that raises undoes nothing: the tenant is active, the caller has the error."""

    def grumble(tenant: Tenant, **kwargs: Any) -> None:
        raise RuntimeError("no card")

    signals.tenant_provisioned.connect(grumble)
    try:
        with pytest.raises(RuntimeError, match="no card"):
            Tenant.objects.create(name="Seventh", db=db)
    finally:
        signals.tenant_provisioned.disconnect(grumble)
    tenant = Tenant.objects.get(slug="seventh")
    found = tenant.status, schema_exists(db, "seventh")
    delete(tenant)
    purge(tenant)
    assert found == ("active", True)


def test_clones_and_imports_are_asked(tenants: Any, committed: None, tmp_path: Any) -> None:
    """A clone and an import are new tenants too; what they are is told by their work."""
    kinds: list[str] = []

    def full(tenant: Tenant) -> str:
        assert tenant.work is not None
        kinds.append(tenant.work["kind"])
        return "the house is full."

    lifecycle.export(tenants["hooli"], tmp_path / "hooli.zip")
    with override_settings(TENANCY={**settings.TENANCY, "QUOTA": full}):
        with pytest.raises(QuotaExceeded):
            lifecycle.clone(tenants["hooli"], "Twin")
        with pytest.raises(QuotaExceeded):
            lifecycle.import_(tmp_path / "hooli.zip", "Twin")
    assert kinds == ["clone", "import"]
    assert not Tenant.objects.filter(slug="twin").exists()

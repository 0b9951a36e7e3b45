"""Deleting, restoring and purging: what is there, and what is found, in between."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models import PROTECT
from django.utils import timezone

from django_schemas.placement import Placement
from django_schemas.schemas import drop_schema, rename_schema, schema_exists, schemas_of
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import IllegalTransition, TenancyError, TenantExists, TenantNotActive
from tenancy.lifecycle.deletion import aside
from tenancy.lifecycle.sizes import Size, bytes_of, size_of
from tenancy.models import Domain, Tenant
from tenancy.provisioning import migrate
from tests.apps.garage.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.mark.parametrize("slug", ["hooli", "umbrella"])
@pytest.mark.parametrize("status", ["active", "suspended"])
def test_comes_back_as_it_was(tenants: Any, slug: str, status: str, django_capture_on_commit_callbacks: Any) -> None:
    """The schema is set aside and brought back with its rows; a suspended tenant stays suspended, with its reason."""
    tenant = Tenant.objects.get(slug=slug)
    if status == "suspended":
        lifecycle.suspend(tenant, "unpaid")
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.delete(tenant, "asked for")
    found = Tenant.objects.get(slug=slug)
    assert (found.status, found.status_reason) == ("deleting", "asked for")
    assert (schema_exists(tenant.db, slug), schema_exists(tenant.db, f"_deleted_{tenant.pk.hex}")) == (False, True)
    lifecycle.restore(tenant)
    found = Tenant.objects.get(slug=slug)
    reason = "unpaid" if status == "suspended" else ""
    assert (found.status, found.status_reason, found.work) == (status, reason, None)
    with tenant_context(found, allow_inactive=True):
        assert {tag.witness for tag in Tag.objects.all()} == {slug}


def test_a_failed_one_stays_failed(tenants: Any, settings: Any) -> None:
    """What was never whole is not served after it was restored."""
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": "manual"}
    tenant = Tenant.objects.create(name="Halfway", db="default")
    lifecycle.delete(tenant)
    lifecycle.restore(tenant)
    assert Tenant.objects.get(slug="halfway").status == "failed"


def test_what_is_bound_finds_nothing(hooli: Tenant) -> None:
    """A queryset that was bound before the deletion fails; it reads neither the old rows nor those in `public`."""
    with tenant_context(hooli):
        tags = Tag.objects.all()
    lifecycle.delete(hooli)
    with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
        list(tags)


def test_its_names_stay_taken(hooli: Tenant, vehement: Tenant) -> None:
    """Nobody gets slug, placement or host of a deleted tenant; a host may be given up before the purge."""
    lifecycle.add_domain(hooli, "hooli.example")
    lifecycle.delete(hooli)
    for given in ({"slug": "hooli"}, {"db": "default", "schema_name": "hooli"}):
        with pytest.raises(TenantExists):
            Tenant.objects.create(name="Thief", **given)
    with pytest.raises(TenantExists):
        lifecycle.add_domain(vehement, "hooli.example")
    lifecycle.remove_domain(hooli, "hooli.example")
    assert lifecycle.add_domain(vehement, "hooli.example").tenant == vehement


def test_is_not_migrated(hooli: Tenant) -> None:
    """A deleted tenant's schema is not made anew under its name."""
    lifecycle.delete(hooli)
    with pytest.raises(TenantNotActive, match="hooli"):
        migrate(hooli)
    assert not schema_exists("default", "hooli")


def test_no_way_back_from_a_purge(hooli: Tenant) -> None:
    """Once a purge has begun the tenant can be neither restored nor deleted, only purged."""
    lifecycle.delete(hooli)
    Tenant.objects.filter(pk=hooli.pk).update(work={**hooli.work, "kind": "purge"})
    for refused in (lifecycle.restore, lifecycle.delete):
        with pytest.raises(IllegalTransition, match="being purged"):
            refused(hooli)
    assert lifecycle.resume_work(hooli) == "purged"
    assert not Tenant.objects.filter(slug="hooli").exists()


def test_nothing_to_restore(hooli: Tenant) -> None:
    """A tenant whose schema is gone is not served again."""
    lifecycle.delete(hooli)
    drop_schema("default", aside(hooli).schema)
    with pytest.raises(TenancyError, match="is gone"):
        lifecycle.restore(hooli)
    assert Tenant.objects.get(slug="hooli").status == "deleting"


def test_purge_takes_what_moves_left(hooli: Tenant, vehement: Tenant) -> None:
    """All schemas that bear the tenant's mark go, whatever they are called; a neighbour's stay."""
    rename_schema("default", "hooli", f"_moved_{hooli.pk.hex}_1")
    lifecycle.delete(hooli)
    lifecycle.purge(hooli)
    assert schemas_of("default", "tenant", str(hooli.pk)) == []
    assert schemas_of("default", "tenant", str(vehement.pk)) == ["vehement"]


def test_protected_rows_are_looked_at_first(hooli: Tenant, monkeypatch: Any) -> None:
    """Where a row of the registry protects the tenant nothing is dropped."""
    domain = Domain.objects.create(host="hooli.example", tenant=hooli)
    lifecycle.delete(hooli)
    monkeypatch.setattr(Domain._meta.get_field("tenant").remote_field, "on_delete", PROTECT)
    with pytest.raises(TenancyError, match=r"are protected: .* Nothing was dropped"):
        lifecycle.purge(hooli)
    assert size_of(aside(hooli)).tables > 5
    assert Tenant.objects.get(slug="hooli").work["kind"] == "delete"
    assert Domain.objects.get().pk == domain.pk


def test_purge_all_leaves_the_days_of_grace(hooli: Tenant, vehement: Tenant, umbrella: Tenant) -> None:
    """`purge --all` takes those that were deleted long enough ago, and no other."""
    for tenant in (hooli, vehement):
        lifecycle.delete(tenant)
    Tenant.objects.filter(pk=hooli.pk).update(status_since=timezone.now() - timedelta(days=31))
    Tenant.objects.filter(pk=vehement.pk).update(status_since=timezone.now() - timedelta(days=29))
    out = StringIO()
    with pytest.raises(CommandError, match="--yes-really=hooli"):
        call_command("tenant", "purge", "--all", stdout=out)
    call_command("tenant", "purge", "--all", "--yes-really=ALL", stdout=out)
    assert out.getvalue() == "hooli: gone\n"
    assert set(Tenant.objects.values_list("slug", "status")) == {("vehement", "deleting"), ("umbrella", "active")}


class Terminal(StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_says_what_goes(hooli: Tenant, monkeypatch: Any) -> None:
    """Before data go the tenant's name, place, rows and bytes are shown, and its slug must be typed."""
    monkeypatch.setattr("sys.stdin", Terminal("nonsense\n"))
    out = StringIO()
    with pytest.raises(CommandError, match="nothing was done"):
        call_command("tenant", "delete", "hooli", stdout=out)
    size = size_of(hooli.placement)
    assert out.getvalue() == (
        f"Tenant hooli (Hooli, default.hooli): {size}. It is no longer served; `tenant restore` brings it back.\n"
    )
    monkeypatch.setattr("sys.stdin", Terminal("hooli\n"))
    call_command("tenant", "delete", "hooli", stdout=out)
    assert Tenant.objects.get(slug="hooli").status == "deleting"


def test_sizes(hooli: Tenant, umbrella: Tenant) -> None:
    """Rows are counted; the bytes of many schemas are asked for at once, and of one that is not there are none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'hooli'")
        (tables,) = cursor.fetchone()
    before = size_of(hooli.placement)
    with tenant_context(hooli):
        Tag.objects.create(name="more", witness="hooli")
    assert size_of(hooli.placement) == Size(tables, before.rows + 1, size_of(hooli.placement).size)
    nowhere = Placement("default", "nowhere")
    assert bytes_of([hooli.placement, umbrella.placement, nowhere]) == {
        hooli.placement: size_of(hooli.placement).size,
        umbrella.placement: size_of(umbrella.placement).size,
        nowhere: 0,
    }
    assert size_of(nowhere) == Size(0, 0, 0)


def test_sizes_of_whatever_is_there(hooli: Tenant) -> None:
    """Of sequences, too, and of what was made without logging, or is a view that has rows: what PostgreSQL says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNLOGGED TABLE hooli.quick (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, note text);"
            "INSERT INTO hooli.quick (note) SELECT repeat(md5(n::text), 100) FROM generate_series(1, 100) AS n;"
            "CREATE SEQUENCE hooli.numbers; SELECT nextval('hooli.numbers');"
            "CREATE MATERIALIZED VIEW hooli.seen AS SELECT * FROM hooli.quick;"
        )
        cursor.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = 'hooli'::regnamespace AND relkind IN ('r', 'm', 'S')"
        )
        assert bytes_of([hooli.placement]) == {hooli.placement: cursor.fetchone()[0]}


def test_a_failed_copy_is_restored_as_one(hooli: Tenant) -> None:
    """Of a clone that failed, and was deleted and restored, it is still known whose clone it was to be."""
    work = {"kind": "clone", "source": "x"}
    Tenant.objects.filter(pk=hooli.pk).update(status="failed", work=work)
    lifecycle.delete(hooli)
    lifecycle.restore(hooli)
    assert (hooli.status, Tenant.objects.get(pk=hooli.pk).work) == ("failed", work)

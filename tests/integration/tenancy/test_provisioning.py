"""What comes of `Tenant.objects.create()`, and of its failing at any point."""

from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.utils import IntegrityError

from django_schemas import Placement
from django_schemas.migrations import migrate
from django_schemas.schemas import Mark, drop_schema, mark_of, schema_exists
from tenancy import current_tenant, lifecycle, signals, tenant_context
from tenancy.exceptions import ProvisioningFailed, TenantExists
from tenancy.models import Tenant
from tests.apps.garage.models import Owner

pytestmark = pytest.mark.django_db(databases="__all__")


def test_create_is_all_it_takes(tenants: Any) -> None:
    """Slug, schema and database are chosen, the schema is made and marked as this tenant's, and can be used."""
    tenant = Tenant.objects.create(name="Acme & Söhne", db="default")
    assert (tenant.slug, tenant.schema_name, tenant.status) == ("acme-sohne", "acme-sohne", "active")
    assert tenant.placement == Placement(tenant.db, "acme-sohne")
    assert mark_of(tenant.db, "acme-sohne") == Mark("tenant", str(tenant.pk))
    with tenant_context(tenant):
        Owner.objects.create(name="Eva", witness="new")
        assert [owner.name for owner in Owner.objects.all()] == ["Eva"]
    assert (Tenant.objects.get(pk=tenant.pk).status, current_tenant()) == ("active", None)


def test_goes_where_the_fewest_are(tenants: Any) -> None:
    """New tenants are spread over the databases: to the one with the fewest, to the first if there are several."""
    made = [Tenant.objects.create(name=f"spread {number}").db for number in range(3)]
    assert made == ["shard2", "default", "shard2"]


@pytest.mark.parametrize(
    ("given", "slug", "schema"),
    [
        ({"name": "3M"}, "3m", "t_3m"),
        ({"name": "Public"}, "public", "t_public"),
        ({"name": "pg_toast"}, "pg-toast", "pg-toast"),
        ({"name": "Order"}, "order", "order"),
        ({"name": "x", "slug": "y"}, "y", "y"),
        ({"name": "x", "schema_name": "z"}, "x", "z"),
        ({"name": "a" * 70}, "a" * 63, "a" * 63),
        ({"name": "9" * 70}, "9" * 63, "t_" + "9" * 61),
    ],
)
def test_names(given: dict[str, str], slug: str, schema: str) -> None:
    """The slug is made of the name, the schema's name of the slug, with `t_` before what would not do alone."""
    tenant = Tenant(**given)
    tenant.clean()
    assert (tenant.slug, tenant.schema_name) == (slug, schema)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "日本"},
        {"name": ""},
        {"name": "www"},
        {"name": "x", "slug": "Upper"},
        {"name": "x", "slug": "under_score"},
        {"name": "x", "slug": "newline\n"},
        {"name": "x", "slug": "-x"},
        {"name": "x", "schema_name": "pg_x"},
        {"name": "x", "schema_name": "public"},
        {"name": "x", "schema_name": 'a"; drop schema x; --'},
        {"name": "x", "schema_name": "a" * 64},
    ],
)
def test_bad_names_are_refused(given: dict[str, str]) -> None:
    """A name that yields no slug, and a slug or schema that is not valid, make no row and no schema."""
    before = Tenant.objects.count()
    with pytest.raises(ValidationError):
        Tenant.objects.create(**given)
    assert Tenant.objects.count() == before


@pytest.mark.parametrize("schema", ["public", "pg_x", "information_schema", "Upper", "a b", "1x", "x\n"])
def test_database_refuses_bad_schema_names(schema: str) -> None:
    """`bulk_create` gets round `save()`, but not round the constraint."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.bulk_create([Tenant(name="x", slug="x", db="default", schema_name=schema)])


@pytest.mark.parametrize("given", [{"slug": "hooli"}, {"db": "default", "schema_name": "hooli"}])
def test_taken_names_are_refused(tenants: Any, given: dict[str, str]) -> None:
    """A slug or a placement that another tenant has is TenantExists, and the transaction goes on."""
    with pytest.raises(TenantExists):
        Tenant.objects.create(name="Other", **given)
    assert Tenant.objects.filter(name="Other").count() == 0


def test_deleted_tenant_keeps_its_names(hooli: Tenant) -> None:
    """Until a deleted tenant is purged nobody gets its slug, nor its data with it."""
    lifecycle.delete(hooli)
    with pytest.raises(TenantExists):
        Tenant.objects.create(name="Hooli")


@pytest.mark.parametrize("mark", [None, "django_schemas: environment tenant", "other"])
def test_existing_schema_is_never_taken_over(tenants: Any, mark: str | None) -> None:
    """A schema that is there already, whoever made it, is not adopted, migrated or dropped."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA squatted")
        cursor.execute("CREATE TABLE squatted.theirs AS SELECT 1 AS one")
        cursor.execute(f"COMMENT ON SCHEMA squatted IS '{mark}'" if mark else "COMMENT ON SCHEMA squatted IS NULL")
    with pytest.raises(ProvisioningFailed, match="is there already"):
        Tenant.objects.create(name="Squatted", db="default")
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'squatted'")
        assert cursor.fetchall() == [("theirs",)]


def test_rolled_back_with_the_callers_transaction(tenants: Any) -> None:
    """Where registry and schema share a database, both are part of the caller's transaction."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tenant = Tenant.objects.create(name="Phantom", db="default")
        assert (tenant.status, schema_exists("default", "phantom")) == ("active", True)
        1 / 0  # noqa: B018
    assert not Tenant.objects.filter(slug="phantom").exists()
    assert not schema_exists("default", "phantom")


def test_other_database_waits_for_the_commit(tenants: Any, django_capture_on_commit_callbacks: Any) -> None:
    """In another database the schema is made once the caller's transaction is committed, not before."""
    with django_capture_on_commit_callbacks(execute=True):
        tenant = Tenant.objects.create(name="Patient", db="shard2")
        assert (tenant.status, schema_exists("shard2", "patient")) == ("provisioning", False)
    assert (Tenant.objects.get(slug="patient").status, schema_exists("shard2", "patient")) == ("active", True)


def test_ambient_tenant_is_unchanged(hooli: Tenant) -> None:
    """Creating a tenant while another is current leaves that one current, and its rows where they are."""
    with tenant_context(hooli):
        Tenant.objects.create(name="Sibling")
        assert current_tenant() == hooli
        assert hooli.placement == Placement("default", "hooli")


def test_signals_in_order(tenants: Any, django_capture_on_commit_callbacks: Any) -> None:
    """The signals tell of each step, with the tenant; what tells of a change waits for the commit."""
    # What provisions is the first receiver of tenant_created.
    names = ("tenant_provisioning", "tenant_created", "tenant_status_changed", "tenant_provisioned")
    heard: list[tuple[str, str]] = []
    receivers = {name: partial(hear, heard, name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    with django_capture_on_commit_callbacks(execute=True):
        Tenant.objects.create(name="Loud", db="default")
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)
    assert heard == [(name, "loud") for name in names]


def hear(heard: list[tuple[str, str]], name: str, tenant: Tenant, **kwargs: Any) -> None:
    heard.append((name, tenant.slug))


def test_purge_frees_the_name(tenants: Any) -> None:
    """After a purge row and schema are gone, and the name can be used for a tenant with another identity."""
    first = Tenant.objects.create(name="Phoenix")
    lifecycle.delete(first)
    lifecycle.purge(first)
    assert not schema_exists(first.db, "phoenix")
    again = Tenant.objects.create(name="Phoenix")
    assert again.pk != first.pk


def test_purge_drops_no_schema_of_others(hooli: Tenant) -> None:
    """A schema that does not bear this tenant's mark is not dropped, whatever the row says."""
    drop_schema("default", "hooli")
    migrate("default", schema="hooli", environment="tenant")
    lifecycle.delete(hooli)
    with pytest.raises(Exception, match="not marked as tenant 'hooli'"):
        lifecycle.purge(hooli)
    assert (schema_exists("default", "hooli"), Tenant.objects.filter(slug="hooli").count()) == (True, 1)

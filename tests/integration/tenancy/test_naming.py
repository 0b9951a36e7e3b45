"""Renaming tenants, and the hosts that lead to them."""

from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.events import TenantEvent
from tenancy.exceptions import IllegalTransition, TenancyError, TenantExists, UnknownTenant
from tenancy.models import Domain, Tenant
from tests.apps.garage.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


def tenant(*words: str) -> str:
    out = StringIO()
    call_command("tenant", *words, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(("slug", "db"), [("hooli", "default"), ("umbrella", "shard2")])
def test_rename(tenants: Any, slug: str, db: str, django_capture_on_commit_callbacks: Any) -> None:
    """Slug, schema and name change; the rows are the same; the event names what was given up."""
    with django_capture_on_commit_callbacks(execute=True):
        tenant("rename", slug, "--slug", "acme-two", "--schema", "two", "--name", "Two")
    found = Tenant.objects.get(slug="acme-two")
    assert (found.name, str(found.placement), found.status, found.work) == ("Two", f"{db}.two", "active", None)
    assert (schema_exists(db, slug), Tenant.objects.filter(slug=slug).exists()) == (False, False)
    with tenant_context(found):
        assert {tag.witness for tag in Tag.objects.all()} == {slug}
    event = TenantEvent.objects.filter(tenant_id=str(found.pk), kind="renamed").get()
    assert (event.old, event.new, event.data) == (
        f"{slug}, {db}.{slug}",
        f"acme-two, {db}.two",
        {"released": [f"{db}.{slug}", slug]},
    )


def test_only_the_slug(hooli: Tenant) -> None:
    """What is not named stays."""
    lifecycle.suspend(hooli, "unpaid")
    lifecycle.rename(hooli, slug="other")
    found = Tenant.objects.get(pk=hooli.pk)
    assert (found.slug, found.schema_name, found.status, found.status_reason) == (
        "other",
        "hooli",
        "suspended",
        "unpaid",
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"slug": "vehement"}, TenantExists),
        ({"schema_name": "vehement"}, TenantExists),
        ({"slug": "www"}, ValidationError),
        ({"slug": "A B"}, ValidationError),
        ({"schema_name": "public"}, ValueError),
    ],
)
def test_rename_refuses(hooli: Tenant, given: dict[str, str], error: type[Exception]) -> None:
    """What is taken or not valid changes nothing."""
    with pytest.raises(error):
        lifecycle.rename(hooli, **given)
    found = Tenant.objects.get(pk=hooli.pk)
    assert (found.slug, found.schema_name, found.status) == ("hooli", "hooli", "active")
    assert schema_exists("default", "hooli")


@pytest.mark.parametrize("status", ["deleting", "moving"])
def test_rename_needs_a_settled_tenant(hooli: Tenant, status: str) -> None:
    """A deleted or a moving tenant is not renamed."""
    Tenant.objects.filter(pk=hooli.pk).update(status=status)
    with pytest.raises(IllegalTransition, match=status):
        lifecycle.rename(hooli, slug="other")


def test_domains(hooli: Tenant, vehement: Tenant) -> None:
    """Hosts are added, one is made primary, another redirects to it, one is given up; each is logged."""
    for host in ("One.Example.", "two.example"):
        tenant("domain", "add", "hooli", host)
    tenant("domain", "primary", "hooli", "one.example")
    assert tenant("domain", "primary", "hooli", "two.example") == "one.example\ntwo.example primary\n"
    tenant("domain", "redirect", "hooli", "one.example")
    assert tenant("domain", "list", "hooli") == "one.example redirects\ntwo.example primary\n"
    with pytest.raises(CommandError, match=r"'two\.example' is taken"):
        tenant("domain", "add", "vehement", "two.example")
    with pytest.raises(TenancyError, match="is the primary one"):
        lifecycle.redirect_domain(hooli, "two.example")
    with pytest.raises(UnknownTenant, match="'vehement' has no host"):
        lifecycle.remove_domain(vehement, "two.example")
    assert tenant("domain", "remove", "hooli", "one.example") == "two.example primary\n"
    kinds = TenantEvent.objects.filter(tenant_id=str(hooli.pk), kind__startswith="domain").values_list("kind", "new")
    assert list(kinds) == [
        ("domain added", "one.example"),
        ("domain added", "two.example"),
        ("domain primary", "one.example"),
        ("domain primary", "two.example"),
        ("domain redirects", "one.example"),
        ("domain removed", ""),
    ]


def says_yes_to_two(domain: Domain) -> bool:
    return domain.host == "two.example"


def test_verification(hooli: Tenant, settings: Any) -> None:
    """With a verifier a host is not verified as it is added, nor can it be primary, until the verifier says yes."""
    settings.TENANCY = {**settings.TENANCY, "DOMAIN_VERIFIER": f"{__name__}.says_yes_to_two"}
    for host in ("one.example", "two.example"):
        assert lifecycle.add_domain(hooli, host).verified_at is None
    with pytest.raises(TenancyError, match="could not be shown"):
        lifecycle.verify_domain(hooli, "one.example")
    with pytest.raises(TenancyError, match="not verified"):
        lifecycle.make_primary(hooli, "two.example")
    assert tenant("domain", "verify", "hooli", "two.example") == "one.example not verified\ntwo.example\n"
    lifecycle.make_primary(hooli, "two.example")

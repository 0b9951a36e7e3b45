"""Hosts through the middleware and into the registry's table: only the right tenant, or a refusal that runs no view."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from tenancy.models import Domain, Tenant
from tests.integration.tenancy.test_middleware import aget, expected, get

pytestmark = pytest.mark.django_db(databases="__all__")

OTHER_FORMS = [
    "BÜCHER.example",
    "Acme.example",
    "acme.example.",
    "acme.example:80",
    "acme.example.:80",
    " acme.example",
    "acme.example ",
    "acme.example\n",
    "acme example",
    "",
    ".",
    ".acme.example",
    "acme..example",
    "acme.example..",
    "[::1]",
    "::1",
    "http://acme.example",
    "acme.example/",
    "*.acme.example",
    "user@acme.example",
    "-acme.example",
    "acme-.example",
    "my_acme.example",
    "XN--BCHER-KVA.example",
    "acme。example",
    "ａcme.example",
    "ac\u200bme.example",
    "acme\u00a0.example",
    "a" * 64 + ".example",
    "acme.example,globex.example",
]


@pytest.mark.parametrize("host", OTHER_FORMS)
@pytest.mark.parametrize("how", ["bulk_create", "SQL", "update"])
def test_database_takes_the_canonical_form_alone(hooli: Tenant, how: str, host: str) -> None:
    """What save() would have brought into form is refused by the database where save() is not asked."""
    row = Domain.objects.create(host="right.example", tenant=hooli)
    with pytest.raises(DatabaseError), transaction.atomic():
        if how == "bulk_create":
            Domain.objects.bulk_create([Domain(host=host, tenant=hooli)])
        elif how == "update":
            Domain.objects.filter(pk=row.pk).update(host=host)
        else:
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO registry.tenancy_domain (host, tenant_id, is_primary, redirects)"
                    " VALUES (%s, %s, false, false)",
                    [host, hooli.pk],
                )
    assert list(Domain.objects.filter(tenant=hooli).values_list("host", flat=True)) == ["right.example"]


@pytest.mark.parametrize(
    "host",
    [
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.example",
        "xn--BCHER-kva.EXAMPLE.",
        "xn--bcher-kva.example:8000",
        "xn--bcher-kva.example.:8000",
    ],
)
@pytest.mark.parametrize("ask", [get, aget])
def test_one_row_for_all_spellings(hooli: Tenant, ask: Any, host: str) -> None:
    """What was written in one spelling is found by each other one that a client may send."""
    Domain.objects.create(host="BÜCHER.Example.", tenant=hooli)
    assert ask(host).json() == expected("hooli")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("foo.bar.example", 404),
        ("bar.exampl", 404),
        ("bar.example.evil.test", 404),
        ("xbar.example", 404),
        ("www.bar.example", 404),
        ("bar", 404),
        ("example", 404),
        ("bar.example..", 404),
        ("[::1]", 404),
        ("[::ffff:7f00:1]:80", 404),
        ("xn--a.example", 404),
        ("bar.example:", 400),
        ("bar.example:x", 400),
        ("bar.example:80:80", 400),
        ("bar_.example", 400),
        ("bar.example/", 400),
        ("user@bar.example", 400),
        ("bar.example,hooli.saas.test", 400),
        ("bar .example", 400),
        ("b\u00fccher.example", 400),
        ("ｂar.example", 400),
        ("ba\u200br.example", 400),
        ("bar。example", 400),
        ("", 400),
        ("bar.example\x00", 400),
        ("*.saas.test", 400),
        ("www.saas.test", 404),
        ("..saas.test", 404),
        ("x.hooli.saas.test", 404),
        ("hooli.saas.test.bar.example", 404),
    ],
)
def test_what_is_nobodys_runs_no_view(hooli: Tenant, host: str, code: int) -> None:
    """A host beside a tenant's leads to no tenant; what is no host is a bad request."""
    Domain.objects.create(host="bar.example", tenant=hooli)
    assert get(host, "/broken/").status_code == code


def test_unverified_host_leads_nowhere(hooli: Tenant) -> None:
    """A host that nobody showed to be the tenant's is nobody's."""
    Domain.objects.create(host="claimed.example", tenant=hooli, verified_at=None)
    assert get("claimed.example", "/broken/").status_code == 404


@pytest.mark.parametrize(
    ("peer", "proxies", "slug"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], "umbrella"),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], "umbrella"),
        ("fd00::7", ["10.0.0.0/8", "fd00::/8"], "umbrella"),
        ("", ["unix"], "umbrella"),
        ("11.1.2.3", ["10.0.0.0/8"], "hooli"),
        ("10.1.2.3", [], "hooli"),
        ("", ["10.0.0.0/8"], "hooli"),
        ("unknown", ["10.0.0.0/8", "unix"], "hooli"),
    ],
)
def test_forwarded_host(tenants: Any, settings: Any, peer: str, proxies: list[str], slug: str) -> None:
    """X-Forwarded-Host counts if a trusted proxy sends it; nobody else names another tenant by it."""
    settings.USE_X_FORWARDED_HOST = True
    settings.TENANCY = {**settings.TENANCY, "TRUSTED_PROXIES": proxies}
    headers = {"host": "hooli.saas.test", "X-Forwarded-Host": "umbrella.saas.test"}
    assert Client(REMOTE_ADDR=peer).get("/", headers=headers).json() == expected(slug)


def test_forwarded_host_that_is_not_used(tenants: Any, settings: Any) -> None:
    """Without USE_X_FORWARDED_HOST it says nothing, from whomever it comes."""
    settings.TENANCY = {**settings.TENANCY, "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    headers = {"host": "hooli.saas.test", "X-Forwarded-Host": "umbrella.saas.test"}
    assert Client(REMOTE_ADDR="10.1.2.3").get("/", headers=headers).json() == expected("hooli")

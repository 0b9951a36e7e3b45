"""The tenants that come with the example and what is in them, the same at every run."""

from io import StringIO

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction

from tenancy import lifecycle, tenant_context
from tenancy.models import Domain, Tenant
from tenancy.provisioning import postponed

from .accounts import COMPANIES, DOMAINS, IN_THE_MAKING, PASSWORD, PAUSED, SETTINGS
from .helpdesk.models import Customer
from .helpdesk.sample_data import Filled, fill


def seed(tenant: Tenant) -> Filled:
    """Fill a new tenant with rows that each hold its slug, all or none. Its people log in with PASSWORD."""
    with tenant_context(tenant), transaction.atomic(using=tenant.placement.db):
        return fill(tenant.slug, PASSWORD)


def make_tenants() -> list[Tenant]:
    """Make those that are missing, bring the schemas of all up to date, and return those that are served."""
    for slug, name in COMPANIES.items():
        if not Tenant.objects.filter(slug=slug).exists():
            Tenant.objects.create(name=name, slug=slug, settings=SETTINGS.get(slug, {}))
    for slug, host in DOMAINS.items():
        if not Domain.objects.filter(host=host).exists():
            Domain.objects.create(host=host, tenant=Tenant.objects.get(slug=slug))
    make_refused()
    call_command("tenant", "migrate", "--all", stdout=StringIO())
    served = [tenant for tenant in Tenant.objects.filter(slug__in=COMPANIES) if tenant.status == "active"]
    for tenant in served:
        with tenant_context(tenant):
            empty = not Customer.objects.exists()
        if empty:
            seed(tenant)
    return served


def make_refused() -> None:
    """Make a tenant that is suspended and one that is not made to the end, unless they are there."""
    if not Tenant.objects.filter(slug=PAUSED).exists():
        lifecycle.suspend(Tenant.objects.create(name="Hooli Gadgets", slug=PAUSED), "The bill of March is not paid.")
    if not Tenant.objects.filter(slug=IN_THE_MAKING).exists():
        with postponed():
            Tenant.objects.create(name="Pied Piper", slug=IN_THE_MAKING)


def make_staff(username: str) -> None:
    """Make an account for the platform's staff, in the registry, unless it is there."""
    if not User.objects.filter(username=username).exists():
        User.objects.create_superuser(username=username, password=PASSWORD)

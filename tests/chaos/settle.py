"""Makes tenants with witness rows in databases of the site, as a process of its own, with the words DB:NUMBER."""

import sys

from django.core.management import call_command

import tests.apps.site.servers  # noqa: F401  # sets up the site
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps.garage.models import Tag

if __name__ == "__main__":
    call_command("migrate", database="default", verbosity=0)
    for db, number in (word.split(":") for word in sys.argv[1:]):
        for each in range(int(number)):
            if Tenant.objects.filter(slug=f"{db}-{each}").exists():
                continue
            tenant = Tenant.objects.create(name=f"{db}-{each}", slug=f"{db}-{each}", db=db)
            with tenant_context(tenant):
                Tag.objects.all().delete()
                Tag.objects.create(name="red", witness=tenant.slug)

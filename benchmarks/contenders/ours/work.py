"""Drives this package by what it promises: `Tenant.objects.create()` and `manage.py tenant`."""

from collections.abc import Iterable
from io import StringIO

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from django_schemas.identifiers import quote
from django_schemas.schemas import Mark
from tenancy.models import Tenant

from ..contender import Registered

__all__ = ["Worker"]


class Worker(Registered):
    """Tenants of `tenancy`."""

    ways = ("migrating", "blueprint", "pool")
    registry = Tenant
    schema = "registry"

    def set_up(self) -> None:
        """Make the registry."""
        call_command("migrate", verbosity=0, interactive=False)

    def prepare(self, way: str, number: int) -> None:
        """Choose the way. If it is the pool, have it hold as many as will be taken, and not be filled up meanwhile."""
        settings.TENANCY["BLUEPRINT"] = way != "migrating"
        if way == "pool":
            settings.TENANCY["POOL"] = number
            call_command("tenant", "pool", stdout=StringIO())
        settings.TENANCY["POOL"] = 0

    def provision(self, name: str) -> None:
        """Make a tenant as a sign-up does."""
        Tenant.objects.create(name=name, slug=name)

    def add(self, names: Iterable[str]) -> None:
        """Make the rows, and mark the schemas as these tenants' own."""
        tenants = [Tenant(name=name, slug=name, db="default", schema_name=name, status="active") for name in names]
        Tenant.objects.bulk_create(tenants)
        with connection.cursor() as cursor:
            for tenant in tenants:
                mark = Mark("tenant", str(tenant.pk))
                cursor.execute(f"COMMENT ON SCHEMA {quote(tenant.schema_name)} IS '{mark}'")

    def migrate(self, processes: int) -> None:
        """`manage.py tenant migrate --all`."""
        call_command("tenant", "migrate", "--all", "--parallel", str(processes), verbosity=0, stdout=StringIO())

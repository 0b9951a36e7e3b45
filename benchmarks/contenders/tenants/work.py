"""Drives django-tenants: by migrating or by its template; one after the other or by its processes."""

from collections.abc import Iterable

from django.conf import settings
from django.core.management import call_command

from ..contender import Registered
from .models import Client, Domain

__all__ = ["Worker"]

TEMPLATE = "clonetemplate"


class Worker(Registered):
    """Tenants of django-tenants."""

    ways = ("migrating", "clone")
    registry = Client
    domains = Domain

    def set_up(self) -> None:
        """Migrate the shared schema, and make the template."""
        call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
        Client(schema_name=TEMPLATE).save(verbosity=0)

    def prepare(self, way: str, number: int) -> None:
        """Choose the way."""
        settings.TENANT_CREATION_FAKES_MIGRATIONS = way == "clone"
        settings.TENANT_BASE_SCHEMA = TEMPLATE if way == "clone" else None

    def provision(self, name: str) -> None:
        """Save a tenant."""
        Client(schema_name=name, name=name).save(verbosity=0)

    def add(self, names: Iterable[str]) -> None:
        """Make the rows."""
        Client.objects.bulk_create([Client(schema_name=name, name=name) for name in names])

    def migrate(self, processes: int) -> None:
        """`manage.py migrate_schemas --tenant`, by its processes if there are to be several."""
        settings.TENANT_MULTIPROCESSING_MAX_PROCESSES = processes
        executor = "multiprocessing" if processes > 1 else "standard"
        call_command("migrate_schemas", tenant=True, executor=executor, interactive=False, verbosity=0)

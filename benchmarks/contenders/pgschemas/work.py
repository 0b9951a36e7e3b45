"""Drives django-pgschemas: by migrating or by its clone reference; one after the other or by its threads."""

from collections.abc import Iterable

from django.conf import settings
from django.core.management import call_command

from ..contender import Registered
from .models import Client, Domain

__all__ = ["Worker"]

TEMPLATE = "clonetemplate"


class Worker(Registered):
    """Tenants of django-pgschemas."""

    ways = ("migrating", "clone")
    registry = Client
    domains = Domain

    def set_up(self) -> None:
        """Migrate the shared schema, and make the clone reference."""
        call_command("migrateschema", schemas=["public"], verbosity=0)
        self.prepare("clone", 0)
        call_command("createrefschema", verbosity=0)

    def prepare(self, way: str, number: int) -> None:
        """Choose the way."""
        settings.TENANTS["default"]["CLONE_REFERENCE"] = TEMPLATE if way == "clone" else None

    def provision(self, name: str) -> None:
        """Save a tenant."""
        Client(schema_name=name, name=name).save(verbosity=0)

    def add(self, names: Iterable[str]) -> None:
        """Make the rows."""
        Client.objects.bulk_create([Client(schema_name=name, name=name) for name in names])

    def migrate(self, processes: int) -> None:
        """`manage.py migrateschema --include-dynamic-schemas`, by its threads if there are to be several."""
        call_command("migrateschema", dynamic_schemas=True, parallel=processes > 1, verbosity=0)

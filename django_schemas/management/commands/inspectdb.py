"""`manage.py inspectdb`: Django's, which looks into the schema of the active placement if there is one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.apps import apps

from ...search_path import active_search_path

if TYPE_CHECKING or not apps.is_installed("django.contrib.gis"):
    from django.core.management.commands.inspectdb import Command as InspectDBCommand
else:
    from django.contrib.gis.management.commands.inspectdb import Command as InspectDBCommand

__all__ = ["Command"]


class Command(InspectDBCommand):
    """Django's command, or GeoDjango's, in a schema."""

    def handle_inspection(self, options: dict[str, Any]) -> Iterator[str]:
        """Yield the lines of the models' module."""
        with active_search_path(options["database"]):
            yield from super().handle_inspection(options)

"""`manage.py inspectdb`: Django's, which looks into the schema of the active placement if there is one."""

from collections.abc import Iterator
from typing import Any

from django.core.management.commands import inspectdb

from ...search_path import active_search_path

__all__ = ["Command"]


class Command(inspectdb.Command):
    """Django's command, in a schema."""

    def handle_inspection(self, options: dict[str, Any]) -> Iterator[str]:
        """Yield the lines of the models' module."""
        with active_search_path(options["database"]):
            yield from super().handle_inspection(options)

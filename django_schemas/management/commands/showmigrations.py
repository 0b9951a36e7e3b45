"""`manage.py showmigrations`: Django's, which reads the records of the active placement's schema if there is one."""

from typing import Any

from django.core.management.commands import showmigrations

from ...search_path import active_search_path

__all__ = ["Command"]


class Command(showmigrations.Command):
    """Django's command, in a schema."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what was applied to the schema."""
        with active_search_path(options["database"]):
            super().handle(*args, **options)

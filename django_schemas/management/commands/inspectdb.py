"""`manage.py inspectdb`: Django's, which looks into the schema of the active placement if there is one."""

from collections.abc import Iterator
from typing import Any

from ...search_path import active_search_path
from ..wrapping import command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("inspectdb")


class Command(_Behind):  # type: ignore[misc]  # known when it runs
    """Django's command, or GeoDjango's, in a schema."""

    def handle_inspection(self, options: dict[str, Any]) -> Iterator[str]:
        """Yield the lines of the models' module."""
        with active_search_path(options["database"]):
            yield from super().handle_inspection(options)

"""`manage.py runserver`, which says what `migrate` has still to do in each schema of its own."""

from typing import Any

from ..wrapping import MigrationCheck, command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("runserver")


class Command(MigrationCheck, _Behind):  # type: ignore[misc]  # known when it runs
    """Django's, or that of an app that has its own."""

"""`manage.py createsuperuser`, which looks for unapplied migrations where they are recorded."""

from typing import Any

from ..wrapping import MigrationCheck, command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("createsuperuser")


class Command(MigrationCheck, _Behind):  # type: ignore[misc]  # known when it runs
    """Django's, or that of an app that has its own."""

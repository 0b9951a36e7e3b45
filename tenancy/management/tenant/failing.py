"""How a subcommand fails: 1 if what was asked could not be done, to all or to some; 2 if it was asked wrongly."""

from typing import Any

from django.core.management.base import CommandError

__all__ = ["UsageError"]


class UsageError(CommandError):
    """It was asked wrongly, so nothing was done."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, returncode=2)

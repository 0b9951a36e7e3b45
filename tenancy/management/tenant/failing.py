"""How a subcommand fails: 1 if what was asked could not be done, to all or to some; 2 if it was asked wrongly."""

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.management.base import CommandError

__all__ = ["UsageError", "told"]


class UsageError(CommandError):
    """It was asked wrongly, so nothing was done."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, returncode=2)


def told(error: ValidationError) -> str:
    """What is not valid, with the names of the fields whose values are not."""
    if not hasattr(error, "error_dict"):
        return "; ".join(error.messages)
    return "; ".join(
        message if field == NON_FIELD_ERRORS else f"{field}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    )

"""`manage.py loaddata`, which refuses what Django leaves out without a word: objects that no schema is named for."""

from typing import Any

from django.core.management.base import CommandError

from ...exceptions import NoActiveSchema
from ...membership import environments_of
from ...places import place
from ..wrapping import command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("loaddata")


class Command(_Behind):  # type: ignore[misc]  # known when it runs
    """Django's, or that of an app that has its own."""

    def save_obj(self, obj: Any) -> bool:
        """Save an object, unless it is excluded.

        Raises:
            CommandError: it is of a multi-schema environment, and no schema is active; nothing is loaded.
        """
        model = type(obj.object)
        excluded = model._meta.app_config in self.excluded_apps or model in self.excluded_models
        if not excluded and environments_of(model):
            try:
                place(model)
            except NoActiveSchema as error:
                raise CommandError(f"Nothing is loaded: {error}") from error
        saved: bool = super().save_obj(obj)
        return saved

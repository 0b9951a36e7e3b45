"""The app: takes up models as they are prepared, and registers the checks.

Importing this module is what starts it, since models are prepared before any `ready()`.
"""

from django.apps import AppConfig

from .adoption import prepare
from .ambient import refuse_inheritance

__all__ = ["DjangoSchemasConfig"]

prepare()


class DjangoSchemasConfig(AppConfig):
    """Put `"django_schemas"` into INSTALLED_APPS, before the apps whose models it shall adopt."""

    name = "django_schemas"
    verbose_name = "Django schemas"

    def ready(self) -> None:
        """Register the checks; refuse to run where threads inherit what is active, since no server runs checks."""
        refuse_inheritance()
        from . import checks, citus, moves, trust  # noqa: F401  # registers them

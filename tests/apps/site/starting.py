"""Sets up Django in a process that a test starts: with the test databases and the settings that a variable names."""

import json
import os

import django
from django.conf import settings

__all__ = ["set_up"]


def set_up() -> None:
    """Set up Django by the variable, which `tests.serving.site_environment` makes."""
    wanted = json.loads(os.environ["SITE"])
    for alias, changes in wanted["databases"].items():
        if changes is None:
            del settings.DATABASES[alias]
        else:
            settings.DATABASES.setdefault(alias, {}).update(changes)
    settings.TENANCY.update(wanted["tenancy"])
    django.setup()

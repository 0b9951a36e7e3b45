"""`manage.py runserver`: Django's, which says what `migrate` has still to do in each schema of its own."""

from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from ...environments import environments_on
from ...migrator import make_plan, targets_on

if TYPE_CHECKING or not apps.is_installed("django.contrib.staticfiles"):
    from django.core.management.commands.runserver import Command as RunserverCommand
else:
    from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand

__all__ = ["Command"]


class Command(RunserverCommand):
    """Django looks for records of all migrations in `public`, where they are not."""

    def check_migrations(self) -> None:
        """Tell of migrations that are not applied yet."""
        if not environments_on(DEFAULT_DB_ALIAS):
            super().check_migrations()
            return
        try:
            plans = [make_plan(target) for target in targets_on(DEFAULT_DB_ALIAS)]
        except ImproperlyConfigured:
            return  # There is no database to ask.
        count = sum(len(plan.steps) for plan in plans)
        if count:
            self.stdout.write(
                self.style.NOTICE(
                    f"\nYou have {count} unapplied migration(s). Run 'python manage.py migrate' to apply them."
                )
            )

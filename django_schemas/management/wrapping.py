"""Commands that change a little of Django's, or of another app's: what they are built on, and where those that look for
unapplied migrations should look.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import find_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from ..context import active_alias
from ..environments import environments, environments_on
from ..plans import make_plan, target_of, targets_on

__all__ = ["MigrationCheck", "command_behind"]

_OWN = __name__.partition(".")[0]


class MigrationCheck(BaseCommand):
    """Django looks for records of all migrations in `public`, where they are not."""

    def check_migrations(self) -> None:
        """Tell of migrations that the active placement's schema lacks; without one, of what `migrate` would do."""
        active = active_alias(tuple(environments()))
        if active is None and not environments_on(DEFAULT_DB_ALIAS):
            super().check_migrations()
            return
        try:
            targets = [target_of(active)] if active is not None else targets_on(DEFAULT_DB_ALIAS)
            plans = [make_plan(target) for target in targets]
        except ImproperlyConfigured:
            return  # There is no database to ask.
        count = sum(len(plan.steps) for plan in plans)
        if count:
            remedy = f"migrate_schema {active.db} --schema {active.schema}" if active else "migrate"
            self.stdout.write(
                self.style.NOTICE(
                    f"\nYou have {count} unapplied migration(s). Run 'python manage.py {remedy}' to apply them."
                )
            )


class _Unknown(BaseCommand):
    """Stands for a command that no installed app has."""

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("Unknown command: no installed app has it.")


def command_behind(name: str, app: str = _OWN) -> Any:
    """The class of the command that `manage.py` would run if an app, this one by default, were not installed."""
    for config in apps.get_app_configs():
        if config.name != app and name in find_commands(str(Path(config.path) / "management")):
            return import_module(f"{config.name}.management.commands.{name}").Command
    try:
        return import_module(f"django.core.management.commands.{name}").Command
    except ModuleNotFoundError:
        return _Unknown

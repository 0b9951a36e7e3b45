"""What the migrating commands share: run or show a plan for a target, and tell what was done."""

from time import perf_counter
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations import Migration
from django.db.migrations.loader import AmbiguityError, MigrationLoader

from ..history import Point
from ..membership import app_labels_of
from ..migrator import migrate_target
from ..plans import Plan, make_plan
from ..target import Target

__all__ = ["Reporter", "points"]


class Reporter:
    """Migrates targets as a command's options say, and writes what happens to the command's output.

    Args:
        command: where to write.
        options: its parsed options: app_label, migration_name, plan, check, fake, adopt, lock_timeout, interactive,
            verbosity.
    """

    def __init__(self, command: BaseCommand, options: dict[str, Any]) -> None:
        self.command = command
        self.options = options
        self.loud = options["verbosity"] >= 1
        self._started_s = 0.0

    def migrate(self, target: Target) -> Plan:
        """Migrate a target, or only show or look what would be done; return what there was to do."""
        targets = points(target, self.options["app_label"], self.options["migration_name"])
        if self.options["plan"] or self.options["check"]:
            plan = make_plan(target, targets)
            if self.options["plan"]:
                self._show(plan)
            return plan
        if self.loud:
            self._write(f"Migrating {describe(target)}:", "MIGRATE_HEADING")
        plan = migrate_target(
            target,
            targets,
            fake=self.options["fake"],
            fake_initial=self.options.get("fake_initial", False),
            adopt=self.options.get("adopt", False),
            lock_timeout=self.options.get("lock_timeout"),
            verbosity=self.options["verbosity"],
            interactive=self.options["interactive"],
            stdout=self.command.stdout,
            progress=self._progress,
        )
        if self.loud and not plan:
            self._write("  Nothing to migrate.")
        return plan

    def _show(self, plan: Plan) -> None:
        self._write(f"Planned for {describe(plan.target)}:", "MIGRATE_HEADING")
        for model in plan.unmigrated:
            self._write(f"  Create table of {model._meta.label}, which has no migrations")
        for migration, backwards in plan.steps:
            self._write(f"  {'Take back' if backwards else 'Apply'} {migration}", "MIGRATE_LABEL")
            for operation in migration.operations:
                self._write(f"    {operation.describe()}")
        if not plan:
            self._write("  Nothing to migrate.")

    def _progress(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:
        if not self.loud or migration is None:
            return
        if action.endswith("_start"):
            self._started_s = perf_counter()
            verb = "Applying" if action.startswith("apply") else "Taking back"
            self.command.stdout.write(f"  {verb} {migration}...", ending="")
            self.command.stdout.flush()
        else:
            elapsed_s = perf_counter() - self._started_s
            self._write(f" {'FAKED' if fake else 'OK'} ({elapsed_s:.3f} s)", "SUCCESS")

    def _write(self, text: str, style: str | None = None) -> None:
        self.command.stdout.write(getattr(self.command.style, style)(text) if style else text)


def describe(target: Target) -> str:
    """Name a target for people."""
    if target.alias is None:
        return f"database {target.db}, models of no environment"
    return f"schema {target.alias.schema} in {target.db} ({target.alias.environment})"


def points(target: Target, app_label: str | None, migration_name: str | None) -> list[Point] | None:
    """Resolve what the user named to points in the migrations; None for the newest of all.

    Raises:
        CommandError: there is no such app, or not in the environment, or no such migration, or several.
    """
    if app_label is None:
        return None
    try:
        apps.get_app_config(app_label)
    except LookupError as error:
        raise CommandError(str(error)) from error
    loader = MigrationLoader(None)
    if app_label not in app_labels_of(target.environment) & loader.migrated_apps:
        raise CommandError(f"App {app_label!r} has no migrations for {describe(target)}.")
    if migration_name is None:
        return [key for key in loader.graph.leaf_nodes() if key[0] == app_label]
    if migration_name == "zero":
        return [(app_label, None)]
    try:
        return [(app_label, loader.get_migration_by_prefix(app_label, migration_name).name)]
    except (AmbiguityError, KeyError) as error:
        found = "More than one" if isinstance(error, AmbiguityError) else "No"
        raise CommandError(f"{found} migration of {app_label!r} begins with {migration_name!r}.") from error

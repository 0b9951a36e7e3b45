"""`manage.py migrate`: Django's, for models of no environment, then every single-schema environment of the database."""

import sys
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from ...environments import environments, environments_on
from ...exceptions import SchemasError
from ...membership import app_labels_of
from ...plans import targets_on
from ...remedies import remedies_for
from ...target import Target
from ..reporting import Reporter

__all__ = ["Command"]


class Command(migrate.Command):
    """What a newcomer types. On a database that hosts no environment it is Django's command and nothing else."""

    help = "Migrates models of no environment, then every single-schema environment of the database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate what the database holds once; schemas of multi-schema environments have `migrate_schema`."""
        db = options["database"]
        if not environments_on(db):
            super().handle(*args, **options)
            return
        if options["prune"]:
            raise CommandError("--prune is not offered on a database that hosts environments.")
        reporter = Reporter(self, {**options, "check": options["check_unapplied"]})
        try:
            pending = [reporter.migrate(target) for target in self._targets(db, options["app_label"])]
        except SchemasError as error:
            raise CommandError(str(error)) from error
        if options["check_unapplied"] and any(pending):
            sys.exit(1)

    def _targets(self, db: str, app_label: str | None) -> list[Target]:
        found = targets_on(db)
        if app_label is None:
            return found
        named = [target for target in found if app_label in app_labels_of(target.environment)]
        if not named:
            remedies = remedies_for(env.name for env in environments().values() if app_label in app_labels_of(env.name))
            raise CommandError(
                f"App {app_label!r} has no models in what `migrate` migrates on {db!r}: "
                f"for a multi-schema environment use {remedies.migrate}."
            )
        return named

"""`manage.py showmigrations`: Django's, for the schema of the active placement if there is one.

Else for what a database holds once: models of no environment, and each single-schema environment, each with its own
records.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management.commands import showmigrations
from django.db import connections

from ...context import active_alias
from ...environments import environments, environments_on, primary_of
from ...history import load
from ...membership import app_labels_of
from ...plans import target_of, targets_on
from ...search_path import own_tables
from ...target import Target
from ..reporting import describe

__all__ = ["Command"]


class Command(showmigrations.Command):
    """On a database that hosts no environment it is Django's command and nothing else."""

    target: Target

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what was applied to each target."""
        db = primary_of(options["database"])
        if not environments_on(db):
            super().handle(*args, **options)
            return
        self.verbosity = options["verbosity"]
        named = options["app_label"]
        self._validate_app_names(None, named)  # type: ignore[attr-defined]  # not in the stubs
        alias = active_alias(tuple(environments()), db)
        show = self.show_plan if options["format"] == "plan" else self.show_list
        shown = False
        for self.target in targets_on(db) if alias is None else [target_of(alias)]:
            migrated = app_labels_of(self.target.environment) & load(self.target).migrated_apps
            labels = sorted(label for label in migrated if not named or label in named)
            if labels:
                self.stdout.write(self.style.MIGRATE_HEADING(f"{describe(self.target)}:"))
                with own_tables(self.target):
                    show(connections[db], labels)
                shown = True
        if not shown:
            self.stdout.write("(no migrations)", self.style.ERROR)

    def show_plan(self, connection: Any, app_names: Sequence[str] | None = None) -> None:
        """Show the migrations in their order; of other environments, which record their own, none."""
        loader = load(self.target)
        labels = app_labels_of(self.target.environment)
        leaves = [key for key in loader.graph.leaf_nodes() if app_names is None or key[0] in app_names]
        for key in dict.fromkeys(key for leaf in leaves for key in loader.graph.forwards_plan(leaf)):
            if key[0] in labels:
                needed = ", ".join(sorted(".".join(parent.key) for parent in loader.graph.node_map[key].parents))
                tail = f" ... ({needed})" if needed and self.verbosity >= 2 else ""
                self.stdout.write(f"[{'X' if key in loader.applied_migrations else ' '}]  {'.'.join(key)}{tail}")

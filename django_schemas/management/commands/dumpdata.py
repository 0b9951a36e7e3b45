"""`manage.py dumpdata`, which does not leave out without a word what no schema is named for.

Where a schema is active it means that one's rows, and not those that all schemas share.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.core.management.utils import parse_apps_and_model_labels
from django.db import router
from django.db.models import Model

from ...context import active_alias
from ...environments import primary_of
from ...membership import environments_of
from ...places import no_schema_message
from ..wrapping import command_behind

__all__ = ["Command"]

_Behind: Any = command_behind("dumpdata")


class Command(_Behind):  # type: ignore[misc]  # known when it runs
    """Django's, or that of an app that has its own."""

    def handle(self, *app_labels: str, **options: Any) -> None:
        """Dump the rows of the models that have a place.

        Raises:
            CommandError: one that was named, or is of the active schema's environment, has none; nothing is dumped.
        """
        using, excluded = options["database"], options["exclude"]
        models, excluded_apps = parse_apps_and_model_labels(excluded)
        wanted = [
            model for model in _named(app_labels) if model not in models and model._meta.app_config not in excluded_apps
        ]
        own = [model for model in wanted if active_alias(environments_of(model), primary_of(using))]
        if own and not app_labels:
            options["exclude"] = [*excluded, *(model._meta.label for model in wanted if model not in own)]
            wanted = own
        lacking = [model for model in wanted if environments_of(model) and not router.allow_migrate_model(using, model)]
        if lacking and (own or app_labels):
            message = no_schema_message(lacking[0]._meta.label, environments_of(lacking[0]), using)
            raise CommandError(f"Nothing is dumped: {message}")
        if lacking:
            labels = ", ".join(sorted({model._meta.app_label for model in lacking}))
            self.stderr.write(f"Left out, since no schema of theirs is active on {using!r}: {labels}.")
        super().handle(*app_labels, **options)


def _named(labels: Iterable[str]) -> Iterator[type[Model]]:
    """The models that labels of apps and models name, all if there are none. Django refuses labels of nothing."""
    # Django takes the name of a model in any case, that of an app as it is.
    parts = [label.partition(".") for label in labels]
    named = {f"{app}{dot}{name.lower()}" for app, dot, name in parts}
    for model in apps.get_models():
        options = model._meta
        names = {options.app_label, f"{options.app_label}.{options.model_name}"}
        if not options.proxy and (not named or named & names):
            yield model

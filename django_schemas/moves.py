"""Moves: tells of models whose environment is another than the one their migrations recorded.

Django's autodetector takes no notice of `Meta.db_environment`, so nothing would move the table: it would be left behind
in the old schema, and the model would ask for it in the new one. The migrations on disk are read for that, and no
database; but since that takes a moment, it is a check of the kind that `migrate` and `check --database` run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState
from django.db.models import Model

from .environments import environment, environments
from .membership import declared_environment, environments_of

__all__ = ["check_moves", "moved"]

_HOW = "See 'Moving a model to another environment' in the reference of django_schemas."


@register("django_schemas", Tags.database)
def check_moves(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Compare each model's environment with what the migrations on disk recorded."""
    if not databases:
        return []
    loader = MigrationLoader(None)
    if loader.detect_conflicts():
        return []  # What migrates tells of them, and there is no one state to compare with.
    recorded = loader.project_state().models
    return [
        message
        for model in apps.get_models()
        if app_configs is None or model._meta.app_config in app_configs
        for message in moved(model, recorded.get((model._meta.app_label, model._meta.model_name or "")))
    ]


def moved(model: type[Model], recorded: ModelState | None) -> Iterator[CheckMessage]:
    """E024, W025: a model is in another environment than its table was made in, or may be.

    Args:
        model: the model as it is.
        recorded: the model as its migrations have it; None if they don't have it.
    """
    if recorded is None or model._meta.proxy or not model._meta.managed:
        return
    before: str | None = recorded.options.get("db_environment")
    now = environments_of(model)
    if before is not None and before not in now:
        yield Error(
            f"It is in environment {' and '.join(map(repr, now)) or 'none'}, and its migrations made it in {before!r}: "
            "nothing moves its table, nor its rows.",
            hint="Make a new model there, copy the rows, and delete this one; or move the table by hand "
            f"(ALTER TABLE ... SET SCHEMA) and correct 'db_environment' in its CreateModel. {_HOW}",
            obj=model,
            id="django_schemas.E024",
        )
    elif before is None and declared_environment(model) is not None and not _in_public(now):
        yield Warning(
            f"It is in environment {now[0]!r}, of which its migrations know nothing: if they were applied before, its "
            "table is where Django made it, in `public` most likely.",
            hint=f"If so, move the table. Then add 'db_environment': {now[0]!r} to the options of its CreateModel. "
            f"{_HOW}",
            obj=model,
            id="django_schemas.W025",
        )


def _in_public(names: tuple[str, ...]) -> bool:
    return any(name in environments() and environment(name).schema_name == "public" for name in names)

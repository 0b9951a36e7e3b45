"""Announcing: sends pre_migrate and post_migrate for a schema to those receivers that may have something to do.

What Django's own receivers do follows from the models' names and permissions: where no migration changed these, they
find everything there. That is known beforehand, for all schemas at once, and saves each of them some twenty statements.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from asgiref.sync import async_to_sync
from django.apps import AppConfig, apps
from django.contrib.contenttypes.management import inject_rename_contenttypes_operations
from django.db import models
from django.db.migrations import Migration
from django.db.migrations.state import ModelState, ProjectState
from django.dispatch import Signal
from django.utils.module_loading import module_has_submodule

from .membership import app_labels_of
from .search_path import seeing
from .target import Target

__all__ = [
    "Step",
    "announce",
    "has_others",
    "import_management_modules",
    "inject",
    "permissions_changed",
    "render_real_models",
]

Step = tuple[Migration, bool]
"""A migration, and whether it is taken back."""

_OWN = frozenset(
    (
        "django.contrib.auth.management.create_permissions",
        "django.contrib.auth.management.rename_permissions_after_model_rename",
        "django.contrib.contenttypes.management.create_contenttypes",
        "django.contrib.contenttypes.management.inject_rename_contenttypes_operations",
    )
)
"""Django's receivers, by their paths, whose work follows from the models' names and permissions, and from the plan."""


def announce(
    signal: Signal,
    target: Target,
    project_apps: Callable[[], Any],
    plan: list[Step],
    *,
    own_for: Collection[str] | None = None,
    others: bool = True,
    placed: bool = False,
    **options: Any,
) -> None:
    """Send a migration signal for each app with models in the environment, with the schema alias as `using`.

    The models that receivers get are historic ones, unqualified: search_path says where they are.

    Args:
        signal: `pre_migrate` or `post_migrate`.
        target: what is migrated.
        project_apps: makes the historic models before, or behind, if they are needed.
        plan: what is done.
        own_for: labels of the apps for which Django's own receivers are called; all if None.
        others: whether receivers that are not Django's own are called.
        placed: whether search_path is the target's already.
        options: what else receivers are given: `verbosity`, `interactive`, `stdout`.
    """
    using = target.alias if target.alias is not None else target.db
    calls = [
        (receiver, config)
        for config in _configs(target)
        for receiver in _receivers(signal, config)
        if (own_for is None or config.label in own_for if _path(receiver) in _OWN else others)
    ]
    if calls:
        with nullcontext() if placed else seeing(target, target.search_path):
            historic = project_apps()
            for receiver, config in calls:
                receiver(
                    signal=signal, sender=config, app_config=config, using=using, apps=historic, plan=plan, **options
                )


def has_others(signal: Signal, target: Target) -> bool:
    """Tell whether a signal has receivers that are not Django's own."""
    return any(_path(receiver) not in _OWN for config in _configs(target) for receiver in _receivers(signal, config))


def inject(target: Target, project_apps: Any, plan: list[Step]) -> None:
    """Have Django put into a plan what renames content types along with their models."""
    if any(_path(receiver) in _OWN for config in _configs(target) for receiver in _receivers(_PRE, config)):
        inject_rename_contenttypes_operations(plan=plan, apps=project_apps, using=target.alias or target.db)


def permissions_changed(before: ProjectState, after: ProjectState, labels: Collection[str]) -> frozenset[str]:
    """Labels of the apps for which Django's own receivers have something to do, if nothing was left to do before."""
    if any(_named(before, label) != _named(after, label) for label in ("contenttypes", "auth")):
        return frozenset(labels)
    return frozenset(label for label in labels if _named(before, label) != _named(after, label))


def import_management_modules() -> None:
    """Let each app register its receivers of the migration signals, as Django's migrate does."""
    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "management"):
            import_module(".management", config.name)


def render_real_models(state: ProjectState) -> None:
    """Render the models of apps without migrations with their relations, now that all models are known."""
    project_apps = state.apps
    keys = [(model.app_label, model.name_lower) for model in project_apps.real_models]
    with project_apps.bulk_update():
        for key in keys:
            project_apps.unregister_model(*key)
    project_apps.render_multiple([ModelState.from_model(apps.get_model(*key)) for key in keys])


_PRE = models.signals.pre_migrate


def _configs(target: Target) -> Iterator[AppConfig]:
    labels = app_labels_of(target.environment)
    return (config for config in apps.get_app_configs() if config.label in labels and config.models_module is not None)


def _receivers(signal: Signal, sender: AppConfig) -> list[Callable[..., Any]]:
    """Who is to be told; those that are asynchronous made to be called like the others."""
    called, awaited = signal._live_receivers(sender)
    return [*called, *map(async_to_sync, awaited)]


def _path(receiver: Callable[..., Any]) -> str:
    return f"{getattr(receiver, '__module__', '')}.{getattr(receiver, '__qualname__', '')}"


def _named(state: ProjectState, label: str) -> dict[str, tuple[Any, ...]]:
    """The models of an app, each with what its permissions are made of."""
    return {
        name: (model.options.get("default_permissions"), model.options.get("permissions"))
        for (app, name), model in state.models.items()
        if app == label
    }

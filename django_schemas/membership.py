"""Membership: which environments a model belongs to, by its own declaration or because its app is adopted.

Also answers for historic models, by their name, since migrations know no others.
"""

from collections.abc import Iterator
from operator import is_
from typing import Any, cast

from django.apps import AppConfig, apps
from django.db.models import Model, options

from .alias import SchemaTable
from .environments import environments
from .exceptions import ConfigError

__all__ = [
    "app_labels_of",
    "declared_environment",
    "environments_of",
    "environments_of_app",
    "environments_of_name",
    "is_current",
    "models_of",
    "owner_of",
    "refuse_unprepared",
    "table_environments",
]


def refuse_unprepared() -> None:
    """Raise ConfigError if models were not taken up: adopted ones would be looked for in `public`."""
    if "db_environment" not in options.DEFAULT_NAMES:
        raise ConfigError("'django_schemas' is not in INSTALLED_APPS, so no model is in an environment: add it.")


def is_current(model: type[Model]) -> bool:
    """Tell whether this is a model of the project as it is, and not a historic one of a migration's state."""
    return model._meta.apps is apps


def table_environments(model: type[Model]) -> tuple[str, ...]:
    """Names of the environments of a model that is known to be in some, as its table was told: the quick way."""
    table: SchemaTable = model._meta.db_table  # type: ignore[assignment]  # it is one
    return table.environments


def owner_of(model: type[Model]) -> type[Model] | None:
    """The model that declares the many-to-many relation whose table this is; None for any other model."""
    return cast("type[Model] | None", model._meta.auto_created or None)


def declared_environment(model: type[Model]) -> str | None:
    """The `Meta.db_environment` of a model or of its nearest base that has one, abstract bases included."""
    for base in model.__mro__:
        name: str | None = getattr(getattr(base, "_meta", None), "db_environment", None)
        if name is not None:
            return name
    return None


def environments_of(model: type[Model]) -> tuple[str, ...]:
    """Names of the environments that hold a model's table; none for a model that Django places by itself.

    The table of a many-to-many relation goes with the model that declares it, a proxy with its concrete model.
    """
    options = model._meta
    owner = owner_of(model)
    if owner is not None:
        return environments_of(owner)
    declared = declared_environment(model)
    if declared is not None:
        return (declared,)
    if options.proxy and options.concrete_model is not None:
        return environments_of(options.concrete_model)
    return _adopting(apps.app_configs.get(options.app_label))


def environments_of_name(app_label: str, model_name: str, historic: type[Model] | None = None) -> tuple[str, ...]:
    """Names of the environments of a model that may no longer exist.

    The model of today decides, if there is one; else what its migration recorded; else where its app has models.

    Args:
        app_label: label of its app.
        model_name: its name, in any case.
        historic: the model as a migration's state has it.
    """
    try:
        return environments_of(apps.get_model(app_label, model_name, require_ready=False))
    except LookupError:
        pass
    if historic is not None:
        owner = owner_of(historic)
        if owner is not None:
            return environments_of_name(owner._meta.app_label, owner.__name__, owner)
        declared = declared_environment(historic)
        if declared is not None:
            return (declared,)
    return environments_of_app(app_label)


def environments_of_app(app_label: str) -> tuple[str, ...]:
    """Names of the environments in which an app has models, in the order of `DATABASE_ENVIRONMENTS`."""
    config = apps.app_configs.get(app_label)
    if config is None:
        return ()
    found = set(_adopting(config))
    for model in config.get_models(include_auto_created=True):
        found.update(environments_of(model))
    return tuple(name for name in environments() if name in found)


def models_of(environment: str | None) -> Iterator[type[Model]]:
    """The models of an environment; those of no environment if None. Proxies and relation tables included."""
    for model in apps.get_models(include_auto_created=True):
        names = environments_of(model)
        if environment in names if environment is not None else not names:
            yield model


def app_labels_of(environment: str | None) -> set[str]:
    """Labels of the apps that an environment's migrations come from: those that have, or are adopted for, models in it.

    For None, the apps that have models of no environment.
    """
    global _labels
    # Both are remembered themselves, and made anew when there are other apps, models or settings.
    made_of = apps.get_models(include_auto_created=True), environments()
    if not all(map(is_, _labels[0], made_of)):
        _labels = made_of, {}
    known = _labels[1]
    if environment not in known:
        labels = {model._meta.app_label for model in models_of(environment)}
        if environment is not None:
            labels.update(config.label for config in apps.get_app_configs() if environment in _adopting(config))
        known[environment] = labels
    return set(known[environment])


_labels: tuple[tuple[Any, Any], dict[str | None, set[str]]] = (None, None), {}
"""What labels were found of, and those that were."""


def _adopting(config: AppConfig | None) -> tuple[str, ...]:
    if config is None:
        return ()
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    return tuple(name for name, env in environments().items() if names.intersection(env.apps))

"""A system check: which rows all tenants share, since their models are in no environment.

Nothing refuses a query of such a model: its table is in `public`, or wherever another router puts it, for every tenant.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Warning, register

from django_schemas.exceptions import ConfigError
from django_schemas.membership import environments_of

from .conf import conf

__all__ = ["check_sharing"]


@register("tenancy")
def check_sharing(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W039: an app has models, and is in no environment: it may have been forgotten."""
    try:
        environment = conf.environment
    except ConfigError:
        return []  # E003 tells that.
    return [
        Warning(
            f"All tenants share the rows of {app.name!r}, which is in APPS of no environment: {', '.join(names)}.",
            hint=f"Add it to APPS of {environment!r}, for rows of each tenant's own; or, if they are meant for all, to "
            "those of a single-schema environment, whose SCHEMA_NAME may be 'public'.",
            id="tenancy.W039",
        )
        for app in (apps.get_app_configs() if app_configs is None else app_configs)
        if (names := _shared(app))
    ]


def _shared(app: AppConfig) -> list[str]:
    return [
        model.__name__
        for model in app.get_models()
        if model._meta.managed and not model._meta.proxy and not environments_of(model)
    ]

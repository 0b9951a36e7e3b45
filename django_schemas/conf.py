"""The settings, as typed values. Nothing else in this package reads `django.conf.settings`."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

__all__ = ["database_environments", "databases", "max_lag_s", "routers"]


def database_environments() -> Mapping[str, Mapping[str, Any]]:
    """`DATABASE_ENVIRONMENTS`: each environment's name and its `SCHEMA_NAME`, `APPS`, `ADDITIONAL_SCHEMAS`."""
    value: Mapping[str, Mapping[str, Any]] = getattr(settings, "DATABASE_ENVIRONMENTS", {})
    return value


def databases() -> Mapping[str, Mapping[str, Any]]:
    """`DATABASES`, with our key `ENVIRONMENTS`: names of the environments that a database hosts."""
    value: Mapping[str, Mapping[str, Any]] = settings.DATABASES
    return value


def max_lag_s(db: str) -> float | None:
    """`DATABASES[db]["MAX_LAG_S"]`: how many seconds behind its primary a replica may be read; None: any number."""
    value: float | None = databases()[db].get("MAX_LAG_S", 5.0)
    return value


def routers() -> list[Any]:
    """`DATABASE_ROUTERS`: dotted paths or objects."""
    return list(settings.DATABASE_ROUTERS)

"""The settings, as typed values. Nothing else in this package reads `django.conf.settings`."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from .exceptions import ConfigError

__all__ = ["database_environments", "databases", "max_lag_s", "routers"]


def database_environments() -> Mapping[str, Mapping[str, Any]]:
    """`DATABASE_ENVIRONMENTS`: each environment's name and its `SCHEMA_NAME`, `APPS`, `ADDITIONAL_SCHEMAS`.

    Raises:
        ConfigError: it is no dict of dicts.
    """
    value: Any = getattr(settings, "DATABASE_ENVIRONMENTS", {})
    if not (isinstance(value, Mapping) and all(isinstance(options, Mapping) for options in value.values())):
        # No check: models are taken up before any.
        raise ConfigError(
            f"DATABASE_ENVIRONMENTS is {value!r}, which is no dict of dicts: "
            "write a dict of options, which may be empty, for the name of each environment."
        )
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

"""The settings, as typed values. Nothing else in this package reads `django.conf.settings`."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connections

from .exceptions import ConfigError

__all__ = ["database_environments", "databases", "max_connections", "max_lag_s", "max_schemas", "routers"]

MAX_SCHEMAS = 500
"""How many schemas a connection sees if nothing is said. See docs/connections.md for what that costs."""


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


def max_connections(db: str, primary: str) -> int | None:
    """`DATABASES[db]["MAX_CONNECTIONS"]`: how many this process may have open at once; None: any number.

    A pool of psycopg 3's has limits of its own.
    """
    pooled = _connected().get(db, {}).get("OPTIONS", {}).get("pool")
    value: int | None = None if pooled else _own(db, primary, "MAX_CONNECTIONS", None)
    return value


def max_schemas(db: str, primary: str) -> int | None:
    """`DATABASES[db]["MAX_SCHEMAS_PER_CONNECTION"]`: how many one may see before it is recycled; None: any number."""
    value: int | None = _own(db, primary, "MAX_SCHEMAS_PER_CONNECTION", MAX_SCHEMAS)
    return value


def _own(db: str, primary: str, key: str, default: Any) -> Any:
    """A key of a database's; a replica follows its primary if it does not say otherwise."""
    known = _connected()
    return known.get(db, {}).get(key, known.get(primary, {}).get(key, default))


def _connected() -> Mapping[str, Mapping[str, Any]]:
    """`DATABASES` as Django's connections have it."""
    value: Mapping[str, Mapping[str, Any]] = connections.settings
    return value


def routers() -> list[Any]:
    """`DATABASE_ROUTERS`: dotted paths or objects."""
    return list(settings.DATABASE_ROUTERS)

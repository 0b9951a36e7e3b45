"""Placing: which database a new tenant goes to.

A strategy is a callable that is given the tenant and the databases in question and returns one of these; it is named
by `TENANCY["PLACING"]`.
"""

from collections.abc import Sequence

from django.db import connections, router
from django.db.models import Count, Model

from django_schemas.exceptions import ConfigError

from .conf import conf

__all__ = ["choose_database", "fewest_tenants", "round_robin", "smallest"]


def choose_database(tenant: Model) -> str:
    """The database for a new tenant, as the strategy of the settings chooses.

    Raises:
        ConfigError: no database hosts the tenants' environment, or the strategy chose none of those that do.
    """
    databases = conf.databases
    if not databases:
        raise ConfigError(f"No database hosts environment {conf.environment!r}: name it in ENVIRONMENTS of one.")
    chosen = conf.placing(tenant, databases)
    if chosen not in databases:
        raise ConfigError(f"TENANCY['PLACING'] chose {chosen!r}, which is none of {', '.join(databases)}.")
    return chosen


def fewest_tenants(tenant: Model, databases: Sequence[str]) -> str:
    """The database with the fewest tenants; of several, the first in the settings."""
    if len(databases) == 1:
        return databases[0]
    rows = type(tenant)._default_manager.filter(db__in=databases).values_list("db").annotate(Count("pk"))
    counts = dict(rows)
    return min(databases, key=lambda db: counts.get(db, 0))


def round_robin(tenant: Model, databases: Sequence[str]) -> str:
    """The database behind that of the newest tenant, in the order of the settings."""
    rows = type(tenant)._default_manager.using(router.db_for_write(type(tenant))).filter(db__in=databases)
    newest = rows.order_by("-created_at").values_list("db", flat=True).first()
    return databases[(databases.index(newest) + 1) % len(databases)] if newest else databases[0]


def smallest(tenant: Model, databases: Sequence[str]) -> str:
    """The database that takes the least room on disk, whatever is in it: that is what fills up."""
    return min(databases, key=_size)


def _size(db: str) -> int:
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())")
        size: int = cursor.fetchone()[0]
    return size

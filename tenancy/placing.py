"""Placing: which database a new tenant goes to, and one that leaves another database.

A strategy is a callable that is given the tenant and the databases in question and returns one of these; it is named
by `TENANCY["PLACING"]`. Those here fill databases by their weights, and pass over one that this process knows not to
answer, as long as there is another.
"""

from collections.abc import Collection, Sequence
from itertools import takewhile

from django.db import InterfaceError, OperationalError, connections, router
from django.db.models import CharField, Count, F, Model, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from django_schemas.exceptions import ConfigError
from django_schemas.health import is_sick

from .conf import conf
from .events import TenantEvent

__all__ = ["choose_database", "fewest_tenants", "round_robin", "smallest"]


def choose_database(tenant: Model, databases: Sequence[str] | None = None) -> str:
    """The database for a tenant, as the strategy of the settings chooses.

    Args:
        tenant: a new one, or one that is to leave its database.
        databases: among which; those that new tenants may be placed in if None.

    Raises:
        ConfigError: there is none, or the strategy chose none of these.
    """
    among = conf.databases if databases is None else databases
    if not among:
        raise ConfigError(
            f"No database may take a tenant: name one that hosts environment {conf.environment!r} in "
            "TENANCY['DATABASES'], with a weight of more than 0."
        )
    chosen = conf.placing(tenant, among)
    if chosen not in among:
        raise ConfigError(f"TENANCY['PLACING'] chose {chosen!r}, which is none of {', '.join(among)}.")
    return chosen


def fewest_tenants(tenant: Model, databases: Sequence[str]) -> str:
    """The database with the fewest tenants for its weight, with one more; of several, the first in the settings.

    One that is being moved counts where it goes.
    """
    databases = _answering(databases)
    if len(databases) == 1:
        return databases[0]
    home = Coalesce(KT("work__to"), F("db"), output_field=CharField())
    tenants = type(tenant)._default_manager.annotate(home=home).filter(home__in=databases).order_by()
    counts = dict(tenants.values_list("home").annotate(Count("pk")))
    return min(databases, key=lambda db: (counts.get(db, 0) + 1) / _weight(db))


def round_robin(tenant: Model, databases: Sequence[str]) -> str:
    """One database behind the other, in the order of the settings; one that weighs twice as much gets two in turn.

    What counts is where tenants were created or moved to last.
    """
    databases = _answering(databases)
    least = min(map(_weight, databases))
    turns = {db: max(round(_weight(db) / least), 1) for db in databases}
    last = _placed_last(type(tenant), databases, max(turns.values()))
    if not last:
        return databases[0]
    if len(list(takewhile(last[0].__eq__, last))) < turns[last[0]]:
        return last[0]
    return databases[(databases.index(last[0]) + 1) % len(databases)]


def smallest(tenant: Model, databases: Sequence[str]) -> str:
    """The database that takes the least room on disk for its weight, whatever is in it: that is what fills up.

    Raises:
        OperationalError: none answers.
    """
    sizes: dict[str, float] = {}
    for db in (among := _answering(databases)):
        try:
            sizes[db] = _size(db) / _weight(db)
        except (OperationalError, InterfaceError):
            if db == among[-1] and not sizes:
                raise
    return min(sizes, key=sizes.__getitem__)


def _answering(databases: Sequence[str]) -> Sequence[str]:
    return [db for db in databases if not is_sick(db)] or databases


def _weight(db: str) -> float:
    return conf.weights.get(db, 1) or 1


def _placed_last(model: type[Model], databases: Collection[str], number: int) -> list[str]:
    """In which of these databases tenants were placed last, the newest first."""
    wanted = Q()
    for db in databases:
        wanted |= Q(kind="created", data__placement__startswith=f"{db}.") | Q(kind="moved", new__startswith=f"{db}.")
    events = TenantEvent.objects.using(router.db_for_write(model)).filter(wanted)
    placements = events.order_by("-pk").values_list("kind", "new", "data__placement")[:number]
    found = [(new if kind == "moved" else placement).rpartition(".")[0] for kind, new, placement in placements]
    return [db for db in found if db in databases]


def _size(db: str) -> int:
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())")
        size: int = cursor.fetchone()[0]
    return size

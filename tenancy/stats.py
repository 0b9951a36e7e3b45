"""Figures of the whole platform, for those who watch it: how many tenants stand where, and what waits for somebody.

How many statements that takes does not depend on how many tenants there are. How much schemas hold is looked up in the
catalog, where it is an estimate, and remembered for a while.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import InterfaceError, OperationalError, connections, router
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist

from django_schemas.conf import max_connections, max_schemas
from django_schemas.environments import databases_of
from django_schemas.placement import Placement

from .conf import conf
from .filling import ready
from .lifecycle.sizes import bytes_of
from .registry import tenant_model
from .runs import FleetRun, last_run
from .standing import lacks
from .states import Status

__all__ = ["DatabaseStats", "Held", "Stats", "forget_sizes", "stats"]

_SIZES_S = 300.0
"""For how long it is remembered how much schemas hold."""
_CONNECTIONS = """
SELECT numbackends, current_setting('max_connections')::int FROM pg_stat_database WHERE datname = current_database()
"""
_SERVED_SOON = frozenset((Status.ACTIVE, Status.SUSPENDED))
"""Of others a schema is not there, or is on its way."""


@dataclass(frozen=True, slots=True)
class Held:
    """How much the schemas of tenants in a database hold, about: as PostgreSQL noted when it vacuumed or analysed last.

    Attributes:
        size: bytes of all, indexes included.
        largest: slug of the tenant that has most; empty if there is none.
        largest_size: bytes of that one's.
    """

    size: int = 0
    largest: str = ""
    largest_size: int = 0


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """What there is in a database.

    Attributes:
        tenants: how many, by status; of each status.
        behind: how many of those that are active or suspended lack a migration that this code has.
        answers: whether the database does; not if tenants are in it, and it is not in DATABASES.
        connections: how many it has, of everybody; None if it does not answer. Of a pooler's, those to the server.
        max_connections: how many its server takes, for all its databases.
        connections_per_process: how many each process may open, `MAX_CONNECTIONS`; None: any number.
        schemas_per_connection: how many each may see, `MAX_SCHEMAS_PER_CONNECTION`; None: any number.
        pool: how many schemas are ready for new tenants; None if it keeps none, or does not answer.
        held: how much schemas hold; None if it does not answer.
    """

    tenants: Mapping[str, int]
    behind: int
    answers: bool
    connections: int | None
    max_connections: int | None
    connections_per_process: int | None
    schemas_per_connection: int | None
    pool: int | None
    held: Held | None


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of the whole platform.

    Attributes:
        databases: by alias, those that tenants may be in, or are in.
        work: how many tenants have work that is not finished, by its kind.
        since_s: for how long that tenant has had its status, in s, which has had it longest; of each status.
        run: the last run of `tenant migrate`.
    """

    databases: Mapping[str, DatabaseStats]
    work: Mapping[str, int]
    since_s: Mapping[str, float]
    run: FleetRun | None


def stats() -> Stats:
    """Ask the registry, and each database; one that does not answer is told as such."""
    tenants: defaultdict[str, Counter[str]] = defaultdict(Counter)
    behind: Counter[str] = Counter()
    work: Counter[str] = Counter()
    since: dict[str, datetime] = {}
    for db, status, kind, migrated_to, count, oldest in _grouped():
        tenants[db][status] += count
        behind[db] += count if status in _SERVED_SOON and lacks(migrated_to) else 0
        work.update({kind: count} if kind else {})
        since[status] = min(oldest, since.get(status, oldest))
    known = sorted({*databases_of(conf.environment), *tenants})
    now = timezone.now()
    return Stats(
        {db: _of_database(db, {each.value: tenants[db][each] for each in Status}, behind[db]) for db in known},
        dict(work),
        {each.value: (now - since.get(each, now)).total_seconds() for each in Status},
        last_run(),
    )


def forget_sizes() -> None:
    """Have sizes looked up anew."""
    _sizes.clear()


def _grouped() -> Any:
    """Tenants that are alike, counted: there are few kinds, however many tenants there are."""
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model)).order_by()
    alike = rows.values_list("db", "status", "work__kind", "migrated_to")
    return alike.annotate(count=Count("pk"), oldest=Min("status_since"))


def _of_database(db: str, tenants: Mapping[str, int], behind: int) -> DatabaseStats:
    limits = max_connections(db, db), max_schemas(db, db)
    try:
        with connections[db].cursor() as cursor:
            cursor.execute(_CONNECTIONS)
            open_there, most_there = cursor.fetchone()
        pool = ready(db) if conf.pool and db in conf.databases else None
        return DatabaseStats(tenants, behind, True, open_there, most_there, *limits, pool, _held(db))
    except (OperationalError, InterfaceError, ConnectionDoesNotExist):
        return DatabaseStats(tenants, behind, False, None, None, *limits, None, None)


_sizes: dict[str, tuple[float, Held]] = {}


def _held(db: str) -> Held:
    """How much schemas hold, as of a while ago."""
    asked_s, held = _sizes.get(db, (0.0, None))
    if held is None or monotonic() - asked_s >= _SIZES_S:
        held = _measured(db)
        _sizes[db] = monotonic(), held
    return held


def _measured(db: str) -> Held:
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model)).filter(db=db).order_by()
    slugs = {Placement(db, schema): slug for schema, slug in rows.values_list("schema_name", "slug")}
    sizes = bytes_of(slugs, about=True)
    largest = max(sizes, key=lambda place: sizes[place], default=None)
    if largest is None:
        return Held()
    return Held(sum(sizes.values()), slugs[largest], sizes[largest])

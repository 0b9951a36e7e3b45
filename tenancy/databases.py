"""Databases: how each one that tenants may be in stands, and whether it can take more.

All are asked at the same time, in threads, so one that does not answer keeps nobody waiting for the others.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any, TypeVar

from django.contrib.postgres.operations import CreateExtension
from django.db import Error, InterfaceError, OperationalError, connections, router
from django.db.migrations.loader import MigrationLoader
from django.utils.connection import ConnectionDoesNotExist

from django_schemas.apart import connect
from django_schemas.citus import has_citus
from django_schemas.environments import databases_of
from django_schemas.nodes import Node, homes_on, nodes_of, sizes_on
from django_schemas.placement import Placement
from django_schemas.plans import make_plan, targets_on
from django_schemas.schemas import schemas_of

from .conf import conf
from .registry import tenant_model
from .standing import plan

__all__ = ["ANSWER_S", "DatabaseState", "NodeState", "ask_each", "databases", "in_one_line", "silent"]

ANSWER_S = 10.0
"""How long a database may take to answer, and then to tell what it holds, in seconds; connecting may take two, if
OPTIONS don't say otherwise.
"""

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class NodeState:
    """How a node of a Citus cluster stands.

    Attributes:
        address: its host and port, as Citus has them.
        takes_schemas: whether it may have schemas of tenants.
        tenants: how many have their schemas there; None if the registry does not answer.
        others: how many other schemas that are distributed are there; None if that can't be told.
        size: bytes on disk of the whole database there; None if it does not answer.
    """

    address: str
    takes_schemas: bool
    tenants: int | None
    others: int | None
    size: int | None


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """How a database stands.

    Attributes:
        alias: what it is called.
        host: host, port and name; "-" if it is not in DATABASES.
        weight: how many new tenants it gets in relation to others; None: it is not in `TENANCY["DATABASES"]`.
        tenants: how many, by status; None if the registry does not answer.
        reachable: whether it answers.
        reason: why it is not reachable; empty if it is.
        size: bytes on disk of the whole database, on a cluster of the coordinator's; None if it does not answer.
        others: how many schemas it has that are no tenant's home: those of the pool, what moves left, what is to be
            purged; None if that can't be told.
        missing: what keeps it from taking tenants.
        nodes: those of its cluster, if it is one of Citus's.
    """

    alias: str
    host: str
    weight: float | None
    tenants: Mapping[str, int] | None
    reachable: bool
    reason: str = ""
    size: int | None = None
    others: int | None = None
    missing: tuple[str, ...] = ()
    nodes: tuple[NodeState, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it can take tenants now."""
        return self.reachable and not self.missing


def databases() -> list[DatabaseState]:
    """How all databases stand: those of `TENANCY["DATABASES"]`, others that host tenants, the registry's, and whichever
    else it says that tenants are in.
    """
    registry = str(router.db_for_write(tenant_model()))
    aliases = dict.fromkeys([*conf.weights, *databases_of(conf.environment), registry])
    away = silent(aliases)
    registered = None if registry in away else _ask_all({None: _registered})[None]
    known = None if isinstance(registered, Exception) else registered
    lost = [db for db in known or () if db not in aliases]
    away |= silent(lost)
    aliases |= dict.fromkeys(lost)
    answers = _ask_all({db: partial(_Look.at, db) for db in aliases if db not in away})
    return [_state(db, away.get(db, ""), answers.get(db), known) for db in aliases]


def silent(dbs: Collection[str]) -> dict[str, str]:
    """Those of some databases that do not answer, each with the reason."""
    answers = _ask_all({db: partial(_hail, db) for db in dbs})
    return {db: in_one_line(answer) for db, answer in answers.items() if isinstance(answer, Exception)}


def ask_each(
    function: Callable[[Collection[Placement]], dict[Placement, _T]],
    places: Iterable[Placement],
    away: dict[str, str] | None = None,
) -> dict[Placement, _T]:
    """What a function finds out of many places, one database after the other.

    Args:
        function: is called with the places in one database.
        places: those in a database that does not answer, or is not in DATABASES, are left out of what is found.
        away: each such database is put in there, with the reason.
    """
    by_db = defaultdict(list)
    for place in places:
        by_db[place.db].append(place)
    found: dict[Placement, _T] = {}
    for db, group in by_db.items():
        try:
            found |= function(group)
        except (OperationalError, InterfaceError, ConnectionDoesNotExist) as error:
            if away is not None:
                away[db] = in_one_line(error)
    return found


_Registered = Mapping[str, Mapping[str, str]]
"""The status of each tenant, by database and schema."""


def _registered() -> _Registered:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model)).order_by("status")
    for db, schema, status in rows.values_list("db", "schema_name", "status"):
        found[db][schema] = status
    return found


def _state(db: str, reason: str, answer: Any, registered: _Registered | None) -> DatabaseState:
    host = "-"
    if db in connections.settings:
        settings = connections[db].settings_dict
        host = f"{settings['HOST'] or 'local'}:{settings['PORT'] or 5432}/{settings['NAME']}"
    homes = None if registered is None else registered.get(db, {})
    tenants = None if homes is None else dict(Counter(homes.values()))
    told = DatabaseState(db, host, conf.weights.get(db), tenants, not reason, reason)
    if reason:
        return told
    if isinstance(answer, Exception):
        return replace(told, missing=(in_one_line(answer),))
    others = None if homes is None else len(set(answer.schemas) - set(homes))
    return replace(told, size=answer.size, others=others, missing=answer.missing, nodes=tuple(answer.nodes(homes)))


@dataclass(frozen=True, slots=True)
class _Look:
    """What a database tells of itself."""

    size: int
    schemas: list[str]
    missing: tuple[str, ...]
    homes: Mapping[Node, Collection[str]]
    sizes: Mapping[str, int | None]

    @classmethod
    def at(cls, db: str) -> "_Look":
        with connections[db].cursor() as cursor:
            cursor.execute(_ABOUT)
            size, read_only, may_create = cursor.fetchone()
        hosts = db in databases_of(conf.environment)
        missing = [*_unmigrated(db), *(_missing_extensions(db) if hosts else ())]
        if not hosts:
            missing.insert(0, f"it does not host environment {conf.environment!r}")
        if read_only:
            missing.append("it is read only")
        if not may_create:
            missing.append("its login may not make schemas")
        citus = has_citus(connections[db])
        return cls(
            size,
            schemas_of(db, conf.environment),
            tuple(missing),
            _schemas_by_node(db) if citus else {},
            sizes_on(db) if citus else {},
        )

    def nodes(self, registered: Collection[str] | None) -> Iterator[NodeState]:
        """How nodes stand, if these are the schemas of tenants."""
        for node, schemas in self.homes.items():
            tenants = None if registered is None else len({*schemas} & {*registered})
            others = None if tenants is None else len(schemas) - tenants
            yield NodeState(node.address, node.takes_schemas, tenants, others, self.sizes.get(node.address))


def _schemas_by_node(db: str) -> dict[Node, list[str]]:
    homes = homes_on(db)
    return {each: [schema for schema, home in homes.items() if home == each.address] for each in nodes_of(db)}


def _unmigrated(db: str) -> Iterator[str]:
    for target in targets_on(db):
        if make_plan(target):
            what = f"schema {target.alias.schema!r} is" if target.alias else "tables of no environment are"
            yield f"{what} not migrated: say `migrate --database {db}`"


def _missing_extensions(db: str) -> Iterator[str]:
    """Extensions that migrations of tenants make, or the engine needs, and which nobody could make there."""
    with connections[db].cursor() as cursor:
        cursor.execute(_EXTENSIONS, [sorted(_extensions(db))])
        for name, available, may_create in cursor.fetchall():
            if not available:
                yield f"extension {name} is not installed on its server"
            elif not may_create:
                yield f"extension {name} has to be made by a superuser"


def _extensions(db: str) -> set[str]:
    nodes = MigrationLoader(None, ignore_no_migrations=True).graph.nodes
    operations = [each for key in plan() for each in nodes[key].operations]
    needed = {each.name for each in operations if isinstance(each, CreateExtension)}
    return needed | ({"postgis"} if ".postgis." in connections[db].settings_dict["ENGINE"] else set())


def _hail(db: str) -> None:
    """Ask a database for nothing, over a connection that is made in time or not at all.

    Raises:
        ConnectionError: it does not answer.
    """
    if db not in connections.settings:
        raise ConnectionError("it is not in DATABASES")
    try:
        with closing(connect(db)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:  # The driver's own, whichever it is.
        raise ConnectionError(in_one_line(error)) from error


def _ask_all(questions: Mapping[_K, Callable[[], Any]]) -> dict[_K, Any]:
    """Ask all at the same time; the answer to each, or why there is none. One that takes too long is left to itself."""
    late = TimeoutError(f"it has not told for {ANSWER_S:.0f} s")
    answers: dict[_K, Any] = dict.fromkeys(questions, late)

    def ask(key: _K) -> None:
        try:
            answers[key] = questions[key]()
        except Exception as error:
            answers[key] = error
        finally:
            connections.close_all()

    threads = [Thread(target=ask, args=(key,), name=f"tenancy: asks {key}", daemon=True) for key in questions]
    deadline = monotonic() + ANSWER_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - monotonic(), 0))
    found = dict(answers)
    for answer in found.values():
        if isinstance(answer, Exception) and not isinstance(answer, OSError | Error):
            raise answer
    return found


def in_one_line(error: Exception) -> str:
    """What an error says; a driver's may be of several lines."""
    return " ".join(str(error).split()) or type(error).__name__


_ABOUT = """
    SELECT pg_catalog.pg_database_size(pg_catalog.current_database()),
        pg_catalog.current_setting('transaction_read_only') = 'on',
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
"""
_EXTENSIONS = """
    SELECT wanted.name,
        EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = wanted.name),
        (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
        OR EXISTS (
            SELECT FROM pg_catalog.pg_available_extension_versions v WHERE v.name = wanted.name AND v.trusted
        )
    FROM unnest(%s::text[]) AS wanted(name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = wanted.name)
"""

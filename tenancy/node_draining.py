"""Draining a node: moves all tenants off a server of a Citus cluster, to others of it, while they are served.

Where a tenant is, Citus alone knows, so whoever is killed is gone on with by the same call.
"""

from collections import Counter
from collections.abc import Collection, Generator, Iterator
from functools import partial
from typing import Any

from django.db import connections, router
from django.db.models import QuerySet

from django_schemas.citus import has_citus
from django_schemas.environments import databases_of
from django_schemas.nodes import Node, homes_on, nodes_of

from .conf import conf
from .exceptions import MoveRefused
from .filling import discard, refill_later
from .lifecycle.node_move import refuse_node
from .models import AbstractTenant
from .registry import tenant_model
from .relocating import Errand, Relocated, relocate

__all__ = ["cluster_of", "drain_node", "look_at_node", "tenants_on_node"]


def drain_node(node: str, db: str, processes: int = 1) -> Generator[tuple[AbstractTenant, Relocated], None, None]:
    """Move all tenants off a node, each to the one that has fewest schemas; yield each with what became of it.

    Ready schemas of the pool that are there are dropped before, and made anew behind it, since tenants would get them.
    Tenants that are placed there meanwhile are moved too. It can be called again, whatever became of it before.

    Args:
        node: its address, "HOST:PORT", as Citus has it.
        db: alias of the database; see `cluster_of`.
        processes: how many tenants are moved at a time.

    Raises:
        MoveRefused: new tenants may be placed there still, there is no such node, or none to move to. Nothing was done.
    """
    leaving, _ = _nodes(node, db)
    if leaving.takes_schemas:
        raise MoveRefused(
            f"New tenants may be placed on {node}: say {leaving.set_sql(False)} in database {db!r}, and this again."
        )
    return _drain(node, db, processes)


def look_at_node(node: str, db: str) -> Iterator[tuple[AbstractTenant, str, str]]:
    """Tell what `drain_node` would do: with each tenant where it could go to, and why it can't, if so.

    Raises:
        MoveRefused: there is no such node, or none to move to.
    """
    _nodes(node, db)
    for errand in _errands(node, db, {}):
        assert errand.nodes
        try:
            refuse_node(errand.tenant, errand.nodes[1])
        except MoveRefused as error:
            yield errand.tenant, errand.nodes[1], str(error)
        else:
            yield errand.tenant, errand.nodes[1], ""


def tenants_on_node(node: str, db: str) -> QuerySet[AbstractTenant]:
    """The tenants whose schemas are on a node."""
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model))
    return rows.filter(db=db, schema_name__in=_schemas_on(node, db))


def cluster_of(db: str | None) -> str:
    """The alias of the database of Citus's that is meant, if none is named: the only one there is.

    Raises:
        MoveRefused: that one is none, or there is none, or more than one.
    """
    clusters = [each for each in databases_of(conf.environment) if has_citus(connections[each])]
    if db in clusters or (db is None and len(clusters) == 1):
        return db or clusters[0]
    known = ", ".join(clusters) or "none"
    raise MoveRefused(f"Databases of Citus are: {known}. " + (f"{db!r} is none." if db else "Say which: --db ALIAS."))


def _drain(node: str, db: str, processes: int) -> Generator[tuple[AbstractTenant, Relocated], None, None]:
    discard(db, _schemas_on(node, db))
    yield from relocate(partial(_errands, node, db), processes)
    refill_later(db)


def _schemas_on(node: str, db: str) -> list[str]:
    return [schema for schema, home in homes_on(db).items() if home == node]


def _nodes(node: str, db: str) -> tuple[Node, list[Node]]:
    """A node, and those that its tenants could be moved to."""
    nodes = {each.address: each for each in nodes_of(db)}
    if node not in nodes:
        raise MoveRefused(f"Database {db!r} has no node {node!r}; these are: {', '.join(nodes)}.")
    others = [each for each in nodes.values() if each.takes_schemas and each.address != node]
    if not others:
        raise MoveRefused(f"Database {db!r} has no node but {node} that takes schemas.")
    return nodes[node], others


def _errands(node: str, db: str, away: Collection[str]) -> Iterator[Errand]:
    """The tenants, each with where it goes to; then those that came meanwhile."""
    _, others = _nodes(node, db)
    schemas = Counter(homes_on(db).values())
    tried: set[Any] = set()
    while left := list(tenants_on_node(node, db).exclude(pk__in=tried)):
        for tenant in left:
            tried.add(tenant.pk)
            target = min((each.address for each in others), key=schemas.__getitem__)
            schemas[target] += 1
            yield Errand(tenant, db, db, nodes=(node, target))

"""Moving a tenant to another node of its Citus cluster, while it is served.

Citus does it: the database stays what it was, so nothing of the registry's changes, and nobody need hear of it. What is
ours is to refuse what can't be, to keep migrations and other work away meanwhile, to bound how long it takes, and to
log it. Where the tenant is, Citus alone knows: cut off anywhere, the same call goes on.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

from django.db import DatabaseError, Error, connections, transaction

from django_schemas.citus import has_citus
from django_schemas.exceptions import SchemaLocked
from django_schemas.nodes import homes_on, move_schema, nodes_of, without_identity
from django_schemas.sqlstates import LOCK_NOT_AVAILABLE, QUERY_CANCELED, sqlstate_of

from ..events import record
from ..exceptions import MoveFailed, MoveRefused
from ..models import AbstractTenant
from ..ownership import owned
from ..provisioning import reason_of
from ..work import working_on
from .fencing import Fence, fenced
from .sizes import bytes_of

__all__ = ["MovedToNode", "move_to_node", "refuse_node"]

_PATIENCE_S, _BYTES_PER_S = 600.0, 1_000_000
"""How long a move may take: before rows are copied, transactions that write to that node are waited for, whosever."""
_LOCK_S = 10
"""How long writers may have to wait at the end, in seconds, until others are done."""


@dataclass(frozen=True, slots=True)
class MovedToNode:
    """What a move to another node did.

    Attributes:
        old: address of the node where the tenant was.
        new: of the one where it is.
        seconds: how long it took.
    """

    old: str
    new: str
    seconds: float


def move_to_node(tenant: AbstractTenant, node: str) -> MovedToNode:
    """Move a tenant to another node of the cluster that its database is; it is served meanwhile.

    Args:
        tenant: one in a database of Citus's, whatever its status.
        node: address of the node, "HOST:PORT", as Citus has it.

    Raises:
        MoveRefused: it can't be moved; nothing was done.
        MoveFailed: it could not be moved, and is where it was; or the coordinator is gone, and does not tell.
        TenantBusy: another process works on it.
    """
    for db in {tenant.registry, tenant.db}:
        if connections[db].in_atomic_block:
            raise MoveRefused(f"A move takes several transactions: call it outside of the one that is open on {db!r}.")
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        refuse_node(tenant, node)
        old, begun_s = _home(tenant), monotonic()
        _carry(tenant, old, node)
        seconds = monotonic() - begun_s
        with transaction.atomic(using=tenant.registry):
            record(tenant, "moved to node", old=old, new=node, placement=str(tenant.placement), seconds=round(seconds))
    return MovedToNode(old, node, seconds)


def refuse_node(tenant: AbstractTenant, node: str) -> None:
    """Raise MoveRefused unless a tenant can be moved to a node, as far as that can be told beforehand."""
    for reason in _reasons(tenant, node):
        raise MoveRefused(f"Tenant {tenant.slug!r} can't be moved to node {node!r}: {reason}")


def _reasons(tenant: AbstractTenant, node: str) -> Iterator[str]:
    """Why a tenant can't be moved. Each is looked for only if there was none before."""
    db, schema = tenant.db, tenant.schema_name
    if not has_citus(connections[db]):
        yield f"its database {db!r} is not of Citus; `--to ALIAS` moves it to another database."
    if tenant.work is not None:
        yield f"{tenant.work['kind']} is under way; say `tenant resume-work {tenant.slug}` first."
    nodes = {each.address: each for each in nodes_of(db)}
    if node not in nodes:
        yield f"database {db!r} has no such node; these are: {', '.join(nodes)}."
    if not owned(tenant, tenant.placement):
        yield f"schema {tenant.placement} is not there, or is not marked as this tenant's."
    home = homes_on(db, [schema]).get(schema)
    if home is None:
        yield f"schema {tenant.placement} is not distributed: say SELECT citus_schema_distribute('{schema}')."
    if home == node:
        yield "it is there."
    if not nodes[node].takes_schemas:
        yield f"that one takes none, unless you say {nodes[node].set_sql(True)}."
    if bare := without_identity(db, schema):
        host, _, port = node.rpartition(":")
        yield (
            f"{', '.join(bare)} of it have neither a primary key nor a replica identity, which is needed while it is "
            "served (shard_transfer_mode 'auto'). Give them one; or say SELECT "
            f"citus_schema_move('{schema}', '{host}', {port}, shard_transfer_mode := 'block_writes'), which has all "
            "who write to it wait."
        )


def _carry(tenant: AbstractTenant, old: str, node: str) -> None:
    try:
        limit_s = _PATIENCE_S + bytes_of([tenant.placement])[tenant.placement] / _BYTES_PER_S
        with fenced(tenant.alias) as fence:
            _run(fence, node, limit_s)
            fence.connection.commit()
    except (Error, SchemaLocked) as error:
        # It may be done, and only the answer be lost.
        connections[tenant.db].close()
        if _found(tenant, node) != node:
            waited = isinstance(error, DatabaseError) and sqlstate_of(error) in {QUERY_CANCELED, LOCK_NOT_AVAILABLE}
            hint = f". Who writes was waited for: end old transactions on {old}, and say it again" if waited else ""
            raise MoveFailed(
                f"Tenant {tenant.slug!r} could not be moved to node {node!r}, and is served from {old} as before: "
                f"{reason_of(error)}{hint}"
            ) from error


def _run(fence: Fence, node: str, limit_s: float) -> None:
    """Have Citus move it, on a thread: a driver that waits for the server hears of no Ctrl-C."""
    with fence.connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute(f"SET LOCAL lock_timeout TO '{_LOCK_S}s'; SET LOCAL statement_timeout TO '{limit_s:.0f}s'")
        moving = thread.submit(move_schema, cursor, fence.alias.schema, node)
        try:
            moving.result()
        except BaseException:
            if not moving.done():
                fence.connection.connection.cancel()
            raise


def _found(tenant: AbstractTenant, node: str) -> str:
    """The node on which a tenant is after it could not be told whether its move was done."""
    try:
        return _home(tenant)
    except Error as error:
        raise MoveFailed(
            f"Whether tenant {tenant.slug!r} was moved to node {node!r} can't be told, since database {tenant.db!r} "
            f"does not answer: {reason_of(error)}. It is there or where it was: say it again."
        ) from error


def _home(tenant: AbstractTenant) -> str:
    return homes_on(tenant.db, [tenant.schema_name])[tenant.schema_name]

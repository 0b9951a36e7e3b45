"""Nodes: the servers of a Citus cluster, which schema is on which, and taking one to another while it is in use.

A node is told by its address, "HOST:PORT", as Citus has it. Who is where is read from catalogs of the coordinator.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connections

from .identifiers import quote

__all__ = ["Node", "homes_on", "move_schema", "nodes_of", "sizes_on", "without_identity"]

_NODES = """
    SELECT nodename || ':' || nodeport, shouldhaveshards
    FROM pg_catalog.pg_dist_node WHERE noderole = 'primary' AND isactive ORDER BY groupid
"""
_HOMES = """
    SELECT DISTINCT n.nspname::text, d.nodename || ':' || d.nodeport
    FROM pg_catalog.pg_dist_schema s
    JOIN pg_catalog.pg_namespace n ON n.oid = s.schemaid
    JOIN pg_catalog.pg_dist_partition p ON p.colocationid = s.colocationid
    JOIN pg_catalog.pg_dist_shard h ON h.logicalrelid = p.logicalrelid
    JOIN pg_catalog.pg_dist_placement l ON l.shardid = h.shardid
    JOIN pg_catalog.pg_dist_node d ON d.groupid = l.groupid AND d.noderole = 'primary'
"""
_SIZES = """
    SELECT d.nodename || ':' || d.nodeport, CASE WHEN r.success THEN r.result::bigint END
    FROM run_command_on_all_nodes('SELECT pg_catalog.pg_database_size(pg_catalog.current_database())') r
    JOIN pg_catalog.pg_dist_node d USING (nodeid)
"""
_WITHOUT_IDENTITY = """
    SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind = 'r' AND (
        c.relreplident = 'n'
        OR c.relreplident = 'd' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
        )
    )
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A server of a cluster.

    Attributes:
        address: its host and port, as Citus has them.
        takes_schemas: whether it may have schemas that are distributed: `shouldhaveshards`.
    """

    address: str
    takes_schemas: bool

    def set_sql(self, takes_schemas: bool) -> str:
        """The statement that says whether it may have schemas."""
        host, _, port = self.address.rpartition(":")
        return f"SELECT citus_set_node_property('{host}', {port}, 'shouldhaveshards', {str(takes_schemas).lower()})"


def nodes_of(db: str) -> list[Node]:
    """The nodes that work, the coordinator first."""
    with connections[db].cursor() as cursor:
        cursor.execute(_NODES)
        return [Node(*row) for row in cursor.fetchall()]


def homes_on(db: str, schemas: Collection[str] | None = None) -> dict[str, str]:
    """The node of each schema that is distributed and has a table.

    Args:
        db: alias of a database of Citus's.
        schemas: names of those that are asked for; all if None.
    """
    with connections[db].cursor() as cursor:
        if schemas is None:
            cursor.execute(_HOMES)
        else:
            cursor.execute(f"{_HOMES} WHERE n.nspname = ANY(%s)", [list(schemas)])
        return dict(cursor.fetchall())


def sizes_on(db: str) -> dict[str, int | None]:
    """Bytes on disk of a whole database on each node, by its address; None where a node does not answer."""
    with connections[db].cursor() as cursor:
        cursor.execute(_SIZES)
        return dict(cursor.fetchall())


def without_identity(db: str, schema: str) -> list[str]:
    """The tables of a schema that have neither a primary key nor a replica identity: they keep it from being moved."""
    with connections[db].cursor() as cursor:
        cursor.execute(_WITHOUT_IDENTITY, [schema])
        return [name for (name,) in cursor.fetchall()]


def move_schema(cursor: Any, schema: str, node: str) -> None:
    """Take a schema to another node; readers go on, and so do writers but for a moment at the end.

    Citus copies it by logical replication, and cleans up behind itself if that is cut off.

    Args:
        cursor: of the coordinator.
        schema: its name.
        node: the address of the node.
    """
    host, _, port = node.rpartition(":")
    cursor.execute("SELECT citus_schema_move(%s::regnamespace, %s, %s)", [quote(schema), host, int(port)])

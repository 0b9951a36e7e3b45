"""Nodes, where there is no Citus: what is refused, and what would be said to one. `tests/citus` has a real one."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.nodes import Node, move_schema, without_identity
from tenancy import lifecycle
from tenancy.models import Tenant

pytestmark = pytest.mark.usefixtures("committed")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["move", "plain", "--to-node", "10.0.0.3:5432"], "'shard2' is not of Citus; `--to ALIAS` moves it"),
        (["move", "plain", "--to-node", "10.0.0.3:5432", "--to", "default"], "Say where"),
        (["move", "plain", "--to-node", "10.0.0.3:5432", "--abort"], "Say where"),
        (["move", "plain", "--to-node", "10.0.0.3:5432", "--drop-source"], "goes with --to"),
        (["drain", "--node", "10.0.0.3:5432"], "Databases of Citus are: none. Say which"),
        (["drain", "--node", "10.0.0.3:5432", "--db", "shard2"], "'shard2' is none"),
        (["drain", "--node", "10.0.0.3:5432", "--to", "default"], "goes with --db"),
        (["drain"], "Say what"),
    ],
)
def test_refused(words: list[str], reason: str) -> None:
    """Databases of PostgreSQL have no nodes, and one thing is asked for at a time."""
    tenant = Tenant.objects.create(name="Plain", db="shard2")
    try:
        with pytest.raises(CommandError, match=reason):
            call_command("tenant", *words)
    finally:
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)


@pytest.mark.parametrize(("node", "host"), [("10.0.0.3:5432", "10.0.0.3"), ("fd00::3:5432", "fd00::3")])
def test_what_is_said(node: str, host: str) -> None:
    """Names are quoted; the port is what stands behind the last colon."""
    sent: list[Any] = []

    class Cursor:
        def execute(self, *statement: Any) -> None:
            sent.append(statement)

    move_schema(Cursor(), "a-b", node)
    assert sent == [("SELECT citus_schema_move(%s::regnamespace, %s, %s)", ['"a-b"', host, 5432])]
    assert (
        Node(node, True).set_sql(False) == f"SELECT citus_set_node_property('{host}', 5432, 'shouldhaveshards', false)"
    )


def test_tables_without_identity() -> None:
    """Those with neither a primary key nor another replica identity."""
    with connections["shard2"].cursor() as cursor:
        cursor.execute(
            "CREATE SCHEMA bare; CREATE TABLE bare.keyed (id int PRIMARY KEY); CREATE TABLE bare.nothing (id int);"
            "CREATE TABLE bare.whole (id int); ALTER TABLE bare.whole REPLICA IDENTITY FULL;"
            "CREATE TABLE bare.lost (id int PRIMARY KEY); ALTER TABLE bare.lost REPLICA IDENTITY NOTHING"
        )
        try:
            assert without_identity("shard2", "bare") == ["lost", "nothing"]
        finally:
            cursor.execute("DROP SCHEMA bare CASCADE")

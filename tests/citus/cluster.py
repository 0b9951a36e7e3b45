"""The cluster that `CITUS_URL` leads to, by its coordinator: databases on all of its nodes."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from django.db import connections

from tools import postgres

__all__ = ["CITUS_URL", "MISSING", "allow_triggers", "asked", "made", "workers_with"]

CITUS_URL = os.environ.get("CITUS_URL", "")
_NODES = "SELECT groupid, nodename, nodeport FROM pg_dist_node ORDER BY groupid"
MISSING = (
    "CITUS_URL is not set: it is the URL of a database on the coordinator of a Citus cluster, with the extension "
    "and at least one worker, whose nodes this machine reaches as the coordinator does"
)


def asked(url: str, statement: str, *parameters: Any) -> list[Any]:
    """The rows that a statement answers with, in no transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []


def allow_triggers() -> None:
    """Have the test database take the triggers that some tests make."""
    name = connections["default"].settings_dict["NAME"]
    asked(postgres.renamed(CITUS_URL, name), f"ALTER DATABASE {name} SET citus.enable_unsafe_triggers TO on")
    connections["default"].close()


def workers_with(name: str) -> list[str]:
    """The URLs of a database on the workers."""
    return [f"{url}/{name}" for url in _nodes()[1:]]


@contextmanager
def made(name: str) -> Iterator[str]:
    """The URL of a new database of the cluster, which is dropped behind the block."""
    nodes = asked(CITUS_URL, _NODES)
    urls = _nodes()
    _drop(urls, name)
    for url in reversed(urls):
        asked(f"{url}/postgres", f"CREATE DATABASE {name}")
        asked(f"{url}/{name}", "CREATE EXTENSION citus")
    coordinator = postgres.renamed(CITUS_URL, name)
    asked(coordinator, "SELECT citus_set_coordinator_host(%s, %s)", *nodes[0][1:])
    for _, *worker in nodes[1:]:
        asked(coordinator, "SELECT citus_add_node(%s, %s)", *worker)
    try:
        yield coordinator
    finally:
        _drop(urls, name)


def _nodes() -> list[str]:
    """The URLs of the nodes, without a database, the coordinator's first."""
    ((user,),) = asked(CITUS_URL, "SELECT current_user")
    return [f"postgres://{user}@{host}:{port}" for _, host, port in asked(CITUS_URL, _NODES)]


def _drop(urls: list[str], name: str) -> None:
    for url in urls:
        asked(f"{url}/postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

"""The demonstration's own databases, new at each run, beside whatever else the server holds."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import environ
import psycopg2
from psycopg2 import sql

from tools.postgres import Cluster

SUFFIXES = {
    "DATABASE_URL": ("", "default"),
    "DATABASE_URL_SHARD2": ("_shard2", "shard2"),
    "PLAIN_DATABASE_URL": ("_plain", "default"),
}


class InUse(Exception):
    """Another process on this PostgreSQL server works with these databases; wait until it has ended."""


@contextmanager
def fresh(cluster: Cluster, name: str = "harbor_desk_demo") -> Iterator[dict[str, str]]:
    """Give empty databases, as environment variables, and keep others away from them until left.

    Args:
        cluster: The server.
        name: Of the first database; the others' begin with it. What is in them is lost.

    Raises:
        InUse: Somebody else has them.
    """
    with closing(_connect(cluster.databases["default"])) as holder:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
            if cursor.fetchone() != (True,):
                raise InUse(f"{name}: {InUse.__doc__}")
        for suffix, alias in SUFFIXES.values():
            _recreate(cluster.databases[alias], name + suffix)
        yield {variable: cluster.url(name + suffix, alias) for variable, (suffix, alias) in SUFFIXES.items()}


def _recreate(url: str, name: str) -> None:
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _connect(url: str) -> "psycopg2.extensions.connection":
    config = environ.Env.db_url_config(url)
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    address = {name: config[key] for name, key in names.items() if config.get(key)}
    connection = psycopg2.connect(**address, **config.get("OPTIONS", {}))
    connection.autocommit = True
    return connection

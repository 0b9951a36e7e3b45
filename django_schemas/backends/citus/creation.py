"""Creation of test databases on a cluster: one of the same name on each node, joined as the project's own is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import NotSupportedError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.utils import strip_quotes

from ..postgres.creation import DatabaseCreation

__all__ = ["CitusCreation"]

_NODES = """
    SELECT groupid, nodename, nodeport FROM pg_catalog.pg_dist_node WHERE noderole = 'primary' ORDER BY groupid
"""
_Node = tuple[str, int]


class CitusCreation(DatabaseCreation):
    """Creates and destroys test databases by the coordinator that the settings name, and on its workers."""

    def _execute_create_test_db(self, cursor: Any, parameters: Any, keepdb: bool = False) -> None:
        name = parameters["dbname"]
        if keepdb and self._database_exists(cursor, name):
            return
        super()._execute_create_test_db(cursor, parameters, keepdb)
        coordinator, workers = self._nodes()
        for node in workers:
            with self._cursor_at("postgres", *node) as at_worker:
                at_worker.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                at_worker.execute(f"CREATE DATABASE {name}")
            with self._cursor_at(strip_quotes(name), *node) as at_worker:
                at_worker.execute("CREATE EXTENSION citus")
        with self._cursor_at(strip_quotes(name)) as at_coordinator:
            at_coordinator.execute("CREATE EXTENSION citus")
            at_coordinator.execute("SELECT citus_set_coordinator_host(%s, %s)", coordinator)
            for node in workers:
                at_coordinator.execute("SELECT citus_add_node(%s, %s)", node)

    @contextmanager
    def _nodb_cursor(self) -> Iterator[Any]:
        with super()._nodb_cursor() as cursor, cursor.db.execute_wrapper(_by_force):
            yield cursor

    def _clone_test_db(self, suffix: str, verbosity: int, keepdb: bool = False) -> None:
        raise NotSupportedError("A database of Citus's can't be copied: run these tests in one process.")

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        _, workers = self._nodes()
        self.connection.close()
        super()._destroy_test_db(test_database_name, verbosity)
        for node in workers:
            with self._cursor_at("postgres", *node) as cursor:
                cursor.execute(
                    f"DROP DATABASE IF EXISTS {self.connection.ops.quote_name(test_database_name)} WITH (FORCE)"
                )

    def _nodes(self) -> tuple[_Node, list[_Node]]:
        """The coordinator and the workers, as those call each other that the database of the settings is on."""
        with self._cursor_at(self.connection.settings_dict["NAME"]) as cursor:
            cursor.execute(_NODES)
            nodes = cursor.fetchall()
        return nodes[0][1:], [node[1:] for node in nodes if node[0] != 0]

    @contextmanager
    def _cursor_at(self, name: str, host: str = "", port: int = 0) -> Iterator[Any]:
        """A cursor of a new connection to a database of a node; of the one that the settings name if none is."""
        settings = {**self.connection.settings_dict, "NAME": name, "CITUS": False}
        if host:
            settings |= {"HOST": host, "PORT": port}
        connection = type(self.connection)(settings, alias=NO_DB_ALIAS)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


def _by_force(execute: Any, sql: Any, *others: Any) -> Any:
    """Drop a database, though nodes keep connections to each other's."""
    return execute(f"{sql} WITH (FORCE)" if sql.startswith("DROP DATABASE") else sql, *others)

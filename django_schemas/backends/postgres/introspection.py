"""Introspection: lists the tables of the schemas on search_path by looking into these alone, and finds the tables of
environments in their schema: that of the active placement, else the single one.

Django's own query asks `pg_table_is_visible` for each table of the database, which takes longer with every schema.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from django.db import transaction
from django.db.backends.postgresql import introspection

from ...alias import SchemaTable
from ...context import active_alias
from ...environments import primary_of
from ...search_path import local_search_path
from .operations import DatabaseOperations

__all__ = ["DatabaseIntrospection"]


class DatabaseIntrospection(introspection.DatabaseIntrospection):
    """Django's introspection, at home in one schema."""

    # The columns are those of Django's statement; a name in an earlier schema hides those in later ones.
    _TABLES = """
        SELECT DISTINCT ON (c.relname)
            c.relname,
            CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END,
            obj_description(c.oid, 'pg_class')
        FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(nspname, position)
        JOIN pg_catalog.pg_namespace n ON n.nspname = path.nspname
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
        WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')
        ORDER BY c.relname, path.position
    """

    def get_table_list(self, cursor: Any) -> list[Any]:
        """All tables and views of the schemas on search_path."""
        cursor.execute(self._TABLES)
        return [introspection.TableInfo(*row) for row in cursor.fetchall() if row[0] not in self.ignored_tables]

    def get_migratable_models(self) -> list[Any]:
        """The models that `flush` empties: of the active placement alone, if there is one on this database.

        Who flushes a schema does not mean what the schemas share.
        """
        models = list(super().get_migratable_models())
        db = primary_of(self.connection.alias)
        active = [
            model
            for model in models
            if isinstance(table := model._meta.db_table, SchemaTable) and active_alias(table.environments, db)
        ]
        return active or models

    def django_table_names(self, only_existing: bool = False, include_views: bool = True) -> list[str]:
        """Names of the tables of these models; each is looked for in its own schema."""
        names: list[str] = super().django_table_names()
        if not only_existing:
            return names
        schemas = {name: self._ops.schema_of(name) for name in names}
        there = {schema: self._tables_in(schema, include_views) for schema in set(schemas.values())}
        return [name for name in names if name in there[schemas[name]]]

    def get_table_description(self, cursor: Any, table_name: str) -> list[Any]:
        """Describe the columns of a table."""
        # This one reads the table itself, which may not be allowed: `inspectdb` says so and goes on with the next one.
        # In a schema it is in a transaction, so nothing could be asked any more.
        nested = self.connection.in_atomic_block
        savepoint = transaction.atomic(using=self.connection.alias) if nested else nullcontext()
        with savepoint, self._in_schema(self._ops.schema_of(table_name)):
            return super().get_table_description(cursor, table_name)

    def get_sequences(self, cursor: Any, table_name: str, table_fields: Any = ()) -> Any:
        """The sequences of a table."""
        with self._in_schema(self._ops.schema_of(table_name)):
            return super().get_sequences(cursor, table_name, table_fields)

    def get_relations(self, cursor: Any, table_name: str) -> dict[str, Any]:
        """The foreign keys of a table."""
        with self._in_schema(self._ops.schema_of(table_name)):
            return super().get_relations(cursor, table_name)

    def get_constraints(self, cursor: Any, table_name: str) -> Any:
        """The constraints and indexes of a table."""
        with self._in_schema(self._ops.schema_of(table_name)):
            return super().get_constraints(cursor, table_name)

    @property
    def _ops(self) -> DatabaseOperations:
        return cast(DatabaseOperations, self.connection.ops)

    def _tables_in(self, schema: str | None, include_views: bool) -> set[str]:
        with self._in_schema(schema):
            return set(self.table_names(include_views=include_views))

    def _in_schema(self, schema: str | None) -> AbstractContextManager[None]:
        return nullcontext() if schema is None else local_search_path(self.connection, (schema,))

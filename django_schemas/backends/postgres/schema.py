"""The schema editor: runs in the schema that is being migrated, and names the tables of other environments in full.

Names in migrations stay unqualified and are looked up on search_path, which the migrator sets for the transaction.
Outside of a migration the tables of environments are named in full, and so is what stands beside them.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from django.db.backends.postgresql import schema

from ...environments import environment
from ...identifiers import qualified
from ...search_path import local_search_path
from ...settling import settled
from ...target import migrating
from .operations import DatabaseOperations

__all__ = ["DatabaseSchemaEditor"]

_CREATE_EXTENSION = re.compile(r"\s*CREATE\s+EXTENSION\s", re.IGNORECASE)


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Django's schema editor, which knows tables of environments."""

    # As Django's, but where the name may need its schema. DROP CONSTRAINT does not take one.
    sql_delete_index = "DROP INDEX IF EXISTS %(full_name)s"
    sql_delete_index_concurrently = "DROP INDEX CONCURRENTLY IF EXISTS %(full_name)s"
    sql_delete_fk = "SET CONSTRAINTS %(full_name)s IMMEDIATE; ALTER TABLE %(table)s DROP CONSTRAINT %(name)s"

    def quote_name(self, name: str) -> str:
        """Quote a name; a table's with its schema, unless it is of the environment that is being migrated."""
        return self._ops.quote_table(name)

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Run a statement. An extension, which a database has but once, goes where all schemas find it."""
        with settled(self.connection, str(sql), lambda each: self._send(each, None)):
            self._send(sql, params)

    def _send(self, sql: Any, params: Any) -> None:
        with self._shared_path() if _CREATE_EXTENSION.match(str(sql)) else nullcontext():
            super().execute(sql, params)
        listener = cast(Any, self.connection).listener
        if listener is not None:
            listener(str(sql) if params is None else self.connection.ops.compose_sql(str(sql), params))

    @property
    def _ops(self) -> DatabaseOperations:
        return cast(DatabaseOperations, self.connection.ops)

    def _shared_path(self) -> AbstractContextManager[None]:
        """A search_path without the schema being migrated: it could be dropped, and an extension in it as well."""
        target = migrating(self.connection.alias)
        if target is None or target.environment is None:
            return nullcontext()
        return local_search_path(self.connection, environment(target.environment).additional_schemas or ("public",))

    def _beside(self, model: Any, name: str) -> str:
        """Quote the name of an index, constraint or sequence, with the schema of its table if that must be named."""
        table_schema = self._ops.schema_of(model._meta.db_table)
        return self.quote_name(name) if table_schema is None else qualified(table_schema, name)

    # The stubs leave out the private methods below.

    def _delete_index_sql(self, model: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        statement = super()._delete_index_sql(model, name, *args, **kwargs)  # type: ignore[misc]
        statement.parts["full_name"] = self._beside(model, name)
        return statement

    def _rename_index_sql(self, model: Any, old_name: str, new_name: str) -> Any:
        statement = super()._rename_index_sql(model, old_name, new_name)  # type: ignore[misc]
        statement.parts["old_name"] = self._beside(model, old_name)
        return statement

    def _delete_constraint_sql(self, template: Any, model: Any, name: str) -> Any:
        statement = super()._delete_constraint_sql(template, model, name)  # type: ignore[misc]
        statement.parts["full_name"] = self._beside(model, name)
        return statement

    def _get_sequence_name(self, table: str, column: str) -> str | None:
        name: str | None = super()._get_sequence_name(table, column)  # type: ignore[misc]
        table_schema = self._ops.schema_of(table)
        # Django quotes what this returns, and leaves alone what is quoted.
        return name if name is None or table_schema is None else qualified(table_schema, name)

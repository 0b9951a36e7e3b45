"""Operations: compiles with our compilers, and names tables of environments in full where Django writes SQL itself.

Such SQL (TRUNCATE, setting sequences) means the schema of the active placement, else the single schema.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from django.db.backends.postgresql import operations

from ...alias import SchemaTable
from ...context import active_alias
from ...environments import primary_of
from ...exceptions import NoActiveSchema
from ...identifiers import qualified
from ...places import no_schema_message, single_home
from ...target import migrating

__all__ = ["DatabaseOperations"]


class DatabaseOperations(operations.DatabaseOperations):
    """Django's operations, with our compilers and names."""

    compiler_module = "django_schemas.backends.postgres.compiler"

    def schema_of(self, table: str) -> str | None:
        """The schema that a table must be named with; None if search_path tells: no table of an environment's, or one
        of that being migrated.

        Raises:
            NoActiveSchema: nothing says which, on this database.
        """
        db = primary_of(self.connection.alias)
        if not isinstance(table, SchemaTable):
            return None
        target = migrating(db)
        if target is not None and target.environment in table.environments:
            return None
        alias = active_alias(table.environments, db) or single_home(table.environments)
        if alias is None or alias.db != db:
            raise NoActiveSchema(no_schema_message(f"Table {table!s}", table.environments, db))
        return alias.schema

    def quote_table(self, table: str) -> str:
        """Quote a table's name, with its schema if it must be named."""
        schema = self.schema_of(table)
        return self.quote_name(table) if schema is None else qualified(schema, table)

    def sql_flush(self, style: Any, tables: Iterable[str], **options: Any) -> list[str]:
        """The statement that empties the tables."""
        return super().sql_flush(style, [self.quote_table(table) for table in tables], **options)

    def sequence_reset_by_name_sql(self, style: Any, sequences: Iterable[dict[str, Any]]) -> list[str]:
        """The statements that set sequences back to their beginning."""
        return super().sequence_reset_by_name_sql(
            style, [{**sequence, "table": self.quote_table(sequence["table"])} for sequence in sequences]
        )

    def sequence_reset_sql(self, style: Any, model_list: Iterable[Any]) -> list[str]:
        """The statements that set the models' sequences to the highest key."""
        # Django reads these two attributes, and takes a name that is quoted as it is.
        full = [
            SimpleNamespace(local_fields=model._meta.local_fields, db_table=self.quote_table(model._meta.db_table))
            for model in model_list
        ]
        named: list[Any] = [SimpleNamespace(_meta=options) for options in full]
        return super().sequence_reset_sql(style, named)

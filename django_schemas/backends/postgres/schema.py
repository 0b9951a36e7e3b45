"""The schema editor: runs in the schema that is being migrated, and names the tables of other environments in full.

Names in migrations stay unqualified and are looked up on search_path, which the migrator sets for the transaction.
"""

from django.db.backends.postgresql import schema

from ...alias import SchemaTable
from ...context import active_alias
from ...exceptions import NoActiveSchema
from ...identifiers import qualified
from ...routers import no_schema_message, single_home
from ...target import migrating

__all__ = ["DatabaseSchemaEditor"]


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Django's schema editor, which knows tables of environments."""

    def quote_name(self, name: str) -> str:
        """Quote a name; a table's with its schema, unless it is of the environment that is being migrated."""
        if not isinstance(name, SchemaTable):
            return super().quote_name(name)
        target = migrating(self.connection.alias)
        if target is not None and target.environment in name.environments:
            return super().quote_name(name)
        alias = active_alias(name.environments, self.connection.alias) or single_home(name.environments)
        if alias is None:
            raise NoActiveSchema(no_schema_message(f"Table {name!s}", name.environments, self.connection.alias))
        return qualified(alias.schema, name)

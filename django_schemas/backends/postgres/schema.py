"""The schema editor: runs in the schema that is being migrated, and names the tables of other environments in full.

Names in migrations stay unqualified and are looked up on search_path, which the migrator sets for the transaction.
"""

from django.db.backends.postgresql import schema

__all__ = ["DatabaseSchemaEditor"]


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Django's schema editor, which knows tables of environments."""

    def quote_name(self, name: str) -> str:
        """Quote a name; a table's with its schema, unless it is of the environment that is being migrated."""
        return self.connection.ops.quote_table(name)  # type: ignore[no-any-return]  # ops is typed as Django's

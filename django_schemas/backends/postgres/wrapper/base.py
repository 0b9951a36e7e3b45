"""The connection: Django's, registered under its plain alias, with our compilers, introspection and schema editor."""

from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.postgresql import base

from ....alias import SchemaAlias
from ....context import Captured
from ..introspection import DatabaseIntrospection
from ..operations import DatabaseOperations
from ..schema import DatabaseSchemaEditor

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection of one database, whichever schemas are asked through it."""

    ops_class = DatabaseOperations
    introspection_class = DatabaseIntrospection
    SchemaEditorClass = DatabaseSchemaEditor

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, str.__str__(alias))
        # What is being compiled on this connection, the innermost statement last: see compiler.QualifyingMixin.
        self.compiling: list[SchemaAlias | None] = []
        if isinstance(alias, SchemaAlias):
            # The first to ask for this connection named a schema. Django is about to keep it under that alias, where
            # the next schema would not find it and open a second one.
            connections[self.alias] = self

    def on_commit(self, func: Callable[[], object], robust: bool = False) -> None:
        """Run a function once this transaction is committed, with what is active now."""
        # What can't be called is refused by Django.
        super().on_commit(Captured(func) if callable(func) else func, robust)

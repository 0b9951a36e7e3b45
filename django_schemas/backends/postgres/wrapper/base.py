"""The connection: Django's, registered under its plain alias, with our compilers, introspection, schema editor and
creation of test databases.
"""

from collections.abc import Callable
from secrets import token_hex
from typing import Any

from django.db import connections
from django.db.backends.postgresql import base

from ....alias import SchemaAlias
from ....context import Captured
from ....environments import primary_of
from ....settling import Settling
from ....transactions import Span
from ..creation import DatabaseCreation
from ..introspection import DatabaseIntrospection
from ..operations import DatabaseOperations
from ..schema import DatabaseSchemaEditor

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection of one database, whichever schemas are asked through it."""

    creation_class = DatabaseCreation
    ops_class = DatabaseOperations
    introspection_class = DatabaseIntrospection
    SchemaEditorClass = DatabaseSchemaEditor

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        # By name: GeoDjango's wrapper looks for it there.
        super().__init__(settings_dict, alias=str.__str__(alias))
        self.primary = primary_of(self.alias)
        # What is being compiled on this connection, the innermost statement last: see compiler.QualifyingMixin.
        self.compiling: list[SchemaAlias | None] = []
        # Told each statement of a schema editor's: see blueprint.Recording.
        self.listener: Callable[[str], None] | None = None
        # Where several migrations run in one transaction: see settling.
        self.settling: Settling | None = None
        # What was written in the transaction that is open: see transactions.
        self.span: Span | None = None
        if isinstance(alias, SchemaAlias):
            # The first to ask for this connection named a schema. Django is about to keep it under that alias, where
            # the next schema would not find it and open a second one.
            connections[self.alias] = self

    def create_cursor(self, name: str | None = None) -> Any:
        """Make a cursor; one at the server gets a name that no other process gives to one of its own.

        Django's name is made of the thread and a number, which forked processes have in common. Behind a pooler, a
        fetch may arrive in the session of another: there it must find no cursor rather than that of another schema.
        """
        return super().create_cursor(f"{token_hex(4)}{name}" if name else None)

    def on_commit(self, func: Callable[[], object], robust: bool = False) -> None:
        """Run a function once this transaction is committed, with what is active now."""
        # What can't be called is refused by Django.
        super().on_commit(Captured(func) if callable(func) else func, robust)

    def _set_autocommit(self, autocommit: bool) -> None:
        """Begin or end a transaction: nothing is written in it yet."""
        self.span = None
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # not in the stubs

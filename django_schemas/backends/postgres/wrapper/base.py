"""The connection: Django's, registered under its plain alias, with our compilers, introspection, schema editor and
creation of test databases.
"""

import os
from collections.abc import Callable
from math import inf
from secrets import token_hex
from time import monotonic
from typing import Any, cast

from django.db import connections
from django.db.backends.postgresql import base
from django.utils.functional import cached_property

from .... import recycling, remarks
from ....alias import SchemaAlias
from ....ambient import Captured
from ....budget import Budget, budget_of
from ....conf import max_connections
from ....confining import Confinement, confinement_of
from ....environments import primary_of
from ....health import CONNECT_S, Watching, is_sick, sick_at, silence_of, watched
from ....remarks import Remark
from ....settling import Settling
from ....transactions import Span
from ..creation import DatabaseCreation
from ..cursors import ConfinedCursor, ConfinedDebugCursor, HearingCursor, HearingDebugCursor
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

    def __new__(cls, settings_dict: dict[str, Any] | None = None, alias: str = "default") -> Any:
        """Make a connection, without settings a copy of one; to a coordinator of Citus, one that knows what is
        different there.
        """
        if settings_dict is not None and settings_dict.get("CITUS"):
            from ...citus.base import over

            return super().__new__(over(cast(Any, cls)))
        return super().__new__(cls)

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        # By name: GeoDjango's wrapper looks for it there.
        super().__init__(settings_dict, alias=str.__str__(alias))
        self.primary = primary_of(self.alias)
        # What is being compiled on this connection, the innermost statement last: see compiler.QualifyingMixin.
        self.compiling: list[tuple[SchemaAlias | None, tuple[SchemaAlias, ...]]] = []
        # Told each statement of a schema editor's: see blueprint.Recording.
        self.listener: Callable[[str], None] | None = None
        # Where several migrations run in one transaction: see settling.
        self.settling: Settling | None = None
        self.opened = -inf
        # Which schemas its statements named, those that are to be sent included: see recycling.
        self.seen: set[str] = set()
        # Where it has its place, if there is a limit, and whether others may have that: see budget.
        self.budget: Budget | None = None
        self.resting = False
        # Roles and a time limit for its statements, of a connection that has such.
        self.confinement: Confinement | None = None
        # Says something behind each of its statements: see remarks.
        self.remark: Remark | None = None
        # What was written in the transaction that is open: see transactions.
        self.span: Span | None = None
        if isinstance(alias, SchemaAlias):
            # The first to ask for this connection named a schema. Django is about to keep it under that alias, where
            # the next schema would not find it and open a second one.
            connections[self.alias] = self

    @cached_property
    def wrap_database_errors(self) -> Watching:
        """What Django puts around each call of the driver's."""
        return Watching(self)

    def get_connection_params(self) -> dict[str, Any]:
        """Django's, which a request does not wait for without end."""
        params: dict[str, Any] = super().get_connection_params()
        if watched() and "service" not in params and "PGCONNECT_TIMEOUT" not in os.environ:
            params.setdefault("connect_timeout", CONNECT_S)
        return params

    def connect(self) -> None:
        """Connect; a request to a database that is known not to answer is told so at once."""
        try:
            self._take_place()
            if watched() and is_sick(self.alias):
                raise self.Database.OperationalError(silence_of(self.alias))
            super().connect()
        finally:
            if self.connection is None:
                self._give_place_back()
        self.opened = monotonic()
        named, self.seen = self.seen, recycling.seen_by(self.connection)
        self.seen |= named

    def ensure_connection(self) -> None:
        """Connect, if need be."""
        if self.resting:
            self._resume()
        super().ensure_connection()

    def _close(self) -> None:
        raw: Any = self.connection
        if raw is not None and self.pool and recycling.is_worn(self):
            # The pool makes another one instead.
            raw.close()
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self.seen = set()
            self._give_place_back()

    def close_if_unusable_or_obsolete(self) -> None:
        """Close what a request is not to find. What was open while the database was sick may have been lost there."""
        if self.resting:
            self._resume()
        if self.connection is not None and not self.in_atomic_block and self.opened < sick_at(self.alias):
            self.close()
        super().close_if_unusable_or_obsolete()
        self.pause()

    def pause(self) -> None:
        """Between two requests, tasks or tenants: recycle the connection if that is due, let others have its place."""
        recycling.recycle(self)
        # Off within `atomic()` too.
        if self.budget is not None and self.autocommit:
            self.resting = True
            self.budget.rest(self)

    def _take_place(self) -> None:
        most = max_connections(self.alias, self.primary)
        if most is not None:
            with self.wrap_database_errors.aside():
                # Before it is taken, so that it is given back if anything fails from here on.
                self.budget = budget_of(self.alias)
                self.budget.take(self, most)

    def _give_place_back(self) -> None:
        budget, self.budget, self.resting = self.budget, None, False
        if budget is not None:
            budget.give_back(self)

    def _resume(self) -> None:
        """Take the connection up again. Another thread may have closed it, to have one in its place."""
        self.resting = False
        if self.budget is not None and not self.budget.resumed(self):
            self.close()

    def init_connection_state(self) -> None:
        """Prepare a new connection."""
        self.confinement = None
        super().init_connection_state()
        self.confinement = confinement_of(self)
        self.remark = remarks.maker()

    def make_cursor(self, cursor: Any) -> Any:
        """Make a cursor of the driver's one of Django's, whose statements are confined if this connection's are."""
        return HearingCursor(cursor, self) if self.confinement is None else ConfinedCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> Any:
        """Make a cursor that logs, likewise."""
        return HearingDebugCursor(cursor, self) if self.confinement is None else ConfinedDebugCursor(cursor, self)

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
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        self._transaction_begun()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._transaction_begun()

    def _rollback(self) -> None:
        super()._rollback()  # type: ignore[misc]
        self._transaction_begun()

    def _transaction_begun(self) -> None:
        if self.confinement is not None:
            self.confinement.begun()

    def _savepoint_rollback(self, sid: str) -> None:
        super()._savepoint_rollback(sid)  # type: ignore[misc]
        if self.confinement is not None:
            self.confinement.rolled_back()

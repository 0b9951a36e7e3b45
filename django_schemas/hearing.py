"""Hearing: what a migration sends to two schemas is sent to the next ones at once, if it follows from it alone.

A fleet's schemas get the same statements from most migrations, made by the same Python again and again. Where that
asked the schema nothing, computed nothing of its own, and sent the same to the first two, the others are sent that as
one message. All else is run in each schema, as Django runs it.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from django.db import connections
from django.db.migrations import Migration

from .alias import SchemaAlias
from .declarative import has_own_values, is_declarative
from .identifiers import needs_no_escape, search_path
from .records import Key, insert_records, of_these_records
from .schemas import lock_name

__all__ = ["Heard", "joined"]

# Raises an error unless the lock is had.
_BEGIN = """
    SELECT CASE WHEN pg_try_advisory_xact_lock(hashtextextended(%s, 0)) THEN 0
                ELSE ('locked ' || pg_backend_pid())::int END,
           set_config('search_path', %s, true),
           set_config('lock_timeout', coalesce(%s, current_setting('lock_timeout')), true)
"""

_SOME = f"some_schema_{token_hex(8)}"
"""Stands for the name of the schema in a message."""


class Heard:
    """What was heard of a migration.

    Args:
        migration: which.

    Attributes:
        recorded: digests of what schemas had recorded before: see `records.add_records`.
    """

    def __init__(self, migration: Migration) -> None:
        self._may = migration.atomic and all(
            is_declarative(operation) and not has_own_values(operation) for operation in migration.operations
        )
        self.recorded: set[int] = set()
        self._once: dict[str, str] = {}
        self._twice: dict[str, str] = {}
        self._messages: dict[Hashable, str] = {}

    def script(self, db: str) -> str | None:
        """What any schema of a database is to be sent; None if it must be run."""
        return self._twice.get(db)

    def whole(
        self, alias: SchemaAlias, schemas: Sequence[str], records: Sequence[Key], lock_timeout: str | None
    ) -> str | None:
        """All of it in one message, which PostgreSQL runs as one transaction; None if it must be run in steps.

        It fails, and leaves nothing behind, where another process works on the schema, or has recorded something.

        Args:
            alias: the schema.
            schemas: where unqualified names are looked up.
            records: what is recorded.
            lock_timeout: how long to wait for a table, as PostgreSQL writes it; the server's own setting if None.
        """
        script = self.script(alias.db)
        if script is None or not self.recorded or not needs_no_escape(alias.schema):
            return None
        # What differs from schema to schema is its name alone.
        looked_into = [_SOME if schema == alias.schema else schema for schema in schemas]
        key = alias.db, *looked_into, lock_timeout, len(self.recorded)
        message = self._messages.get(key)
        if message is None:
            some = SchemaAlias(alias.db, _SOME, alias.environment)
            parts = (
                (_BEGIN, [lock_name(some), search_path(looked_into), lock_timeout]),
                of_these_records(some, self.recorded),
                insert_records(records, some),
            )
            ops: Any = connections[alias.db].ops
            composed = (ops.compose_sql(sql, params) for sql, params in parts)
            message = self._messages[key] = joined([*composed, *filter(None, [script])])
        return message.replace(_SOME, alias.schema)

    @contextmanager
    def listening(self, connection: Any) -> Iterator[None]:
        """Listen while it is run in a schema."""
        if not self._may:
            yield
            return
        sent: list[str] = []
        statements, former = 0, connection.listener

        def note(execute: Any, *args: Any) -> Any:
            nonlocal statements
            statements += 1
            return execute(*args)

        connection.listener = sent.append
        try:
            with connection.execute_wrapper(note):
                yield
        finally:
            connection.listener = former
        # Whatever else was sent asked for something: the names of constraints, for one.
        self._may = statements == len(sent)
        if self._may:
            self._note(connection.alias, joined(sent))

    def _note(self, db: str, script: str) -> None:
        if db not in self._once:
            self._once[db] = script
        elif self._once[db] == script:
            self._twice[db] = script
        else:
            self._may = False


def joined(statements: Any) -> str:
    """Statements as one script; one may end in a comment."""
    return "\n;\n".join(statement.rstrip().removesuffix(";") for statement in statements)

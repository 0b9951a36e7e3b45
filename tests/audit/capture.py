"""Sees every statement that goes through a cursor of Django's, on every connection and in every thread, and has it
judged.

Not seen: what is sent past Django's cursors (psycopg's own, COPY, `callproc`), and what functions do in the server.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from django_schemas.adoption import known_table
from django_schemas.environments import environments
from django_schemas.target import migrating
from tools.sql import Kind, Statement, Unreadable, identifiers, statements_of

from .rules import Fault, Layout, Lookup, Rule, judge

__all__ = ["Counts", "StatementAudit", "Violation", "raw_sql"]

_IN_FAILED_TRANSACTION = 3  # libpq's PQTRANS_INERROR, in psycopg2 as in psycopg 3.

# The tables that an index, a sequence or a constraint of this name stands beside, in whatever schemas.
_BESIDE = """
    SELECT ARRAY(
        SELECT t.relname::text FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        WHERE c.relname = %(name)s
        UNION
        SELECT t.relname::text FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::regclass
            AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
        WHERE c.relname = %(name)s AND c.relkind = 'S'
        UNION
        SELECT t.relname::text FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
        WHERE c.conname = %(name)s
    )
"""


@dataclass(frozen=True, slots=True)
class Violation:
    """A statement that is not as it should be.

    Attributes:
        database: alias of the connection that it was sent on.
        sql: its text.
        rule: what is broken, and the remedy.
        what: the names that break it, in words.
    """

    database: str
    sql: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.what}, on {self.database!r}: this statement {self.rule}\n    {self.sql[:2000]}"


@dataclass(slots=True)
class Counts:
    """How much was seen.

    Attributes:
        statements: sent, however often.
        distinct: their texts.
        tables: how often a table of an environment was named.
        opaque: texts with parts that can't be read.
        on_purpose: faults that were meant to be.
        violations: faults that were not.
    """

    statements: int = 0
    distinct: int = 0
    tables: int = 0
    opaque: int = 0
    on_purpose: int = 0
    violations: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in asdict(self).items())


@dataclass(slots=True)
class _Purpose:
    """How many faults were found in statements that are not judged."""

    faults: int = 0


_purpose: ContextVar[_Purpose | None] = ContextVar("audit_purpose", default=None)


@contextmanager
def raw_sql(reason: str, *, needed: bool = True) -> Iterator[None]:
    """Send statements that break a rule, on purpose. A decorator, too.

    Args:
        reason: why.
        needed: whether one must; False for what is around several tests, not all of which do.

    Raises:
        AssertionError: none did, so this is not needed.
    """
    purpose = _Purpose()
    token = _purpose.set(purpose)
    try:
        yield
    finally:
        _purpose.reset(token)
    assert purpose.faults or not needed, f"No statement broke a rule in raw_sql({reason!r}): take it away."


@dataclass
class StatementAudit:
    """Judges what this process sends.

    Attributes:
        found: violations since `take` was called.
        counts: of all that was seen.
    """

    found: list[Violation] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    _texts: set[int] = field(default_factory=set)

    def install(self) -> None:
        """See what is sent from now on, on the connections there are and on those to come, in any thread."""
        if settings.configured:  # They are not yet where the settings themselves call this, and no connection is there.
            for connection in connections.all(initialized_only=True):
                self._watch(connection)
        connection_created.connect(self._connected, weak=False)

    def take(self) -> list[Violation]:
        """Return what was found since this was called last."""
        found, self.found = self.found, []
        return found

    def _connected(self, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        self._watch(connection)

    def _watch(self, connection: BaseDatabaseWrapper) -> None:
        # At the front: whoever adds a wrapper for a while takes away the last.
        if self._sending not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self._sending)

    def _sending(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        connection = context["connection"]
        text = sql.as_string(connection.connection) if hasattr(sql, "as_string") else str(sql)
        try:
            statements = statements_of(text, params is not None)
        except Unreadable as error:
            # What the server does not understand either does no harm.
            result = execute(sql, params, many, context)
            self._note(connection, text, (), [Fault(Rule.UNREADABLE, str(error))])
            return result
        self._note(connection, text, statements, list(_faults(statements, connection)))
        return execute(sql, params, many, context)

    def _note(
        self, connection: BaseDatabaseWrapper, text: str, statements: tuple[Statement, ...], faults: list[Fault]
    ) -> None:
        counts = self.counts
        counts.statements += 1
        counts.tables += sum(known_table(name.name) is not None for each in statements for name in each.names)
        if hash(text) not in self._texts:
            self._texts.add(hash(text))
            counts.distinct += 1
            counts.opaque += any(each.opaque for each in statements)
        purpose = _purpose.get()
        if purpose is not None:
            purpose.faults += len(faults)
            counts.on_purpose += len(faults)
        elif faults:
            counts.violations += len(faults)
            self.found += [Violation(connection.alias, text, str(fault.rule), fault.what) for fault in faults]


def _faults(statements: tuple[Statement, ...], connection: BaseDatabaseWrapper) -> Iterator[Fault]:
    """Judge statements that are about to be sent in one message: one may set the search_path of those behind it."""
    path: tuple[str, ...] | None = None
    for statement in statements:
        yield from _judged(statement, connection, path)
        for setting in statement.settings:
            if setting.name == "search_path" and setting.local:
                path = setting.value


def _judged(statement: Statement, connection: BaseDatabaseWrapper, path: tuple[str, ...] | None) -> list[Fault]:
    """Judge a statement that is about to be sent; the server is asked only where it may know better."""
    if not statement.names and not statement.settings:
        return []
    layout = _layout(connection)
    faults = judge(statement, layout)
    if all(fault.rule not in (Rule.UNQUALIFIED, Rule.BESIDE) for fault in faults):
        return faults
    # In a failed transaction this statement will fail, as asking would.
    if connection.connection.info.transaction_status == _IN_FAILED_TRANSACTION:
        return []
    beside = {}
    # Not by a cursor of Django's: tests count what goes through these.
    with connection.connection.cursor() as cursor:
        if path is None:
            cursor.execute("SELECT current_setting('search_path')")
            path = identifiers(cursor.fetchone()[0])
        for name in statement.names:
            if name.kind is not Kind.TABLE and name.schema is None:
                cursor.execute(_BESIDE, {"name": name.name})
                beside[name.name] = cursor.fetchone()[0]
    return judge(statement, layout, Lookup(path, beside))


def _layout(connection: BaseDatabaseWrapper) -> Layout:
    target = migrating(connection.alias)

    def environments_of(table: str) -> tuple[str, ...]:
        known = known_table(table)
        if known is not None:
            return known.environments
        # Each schema has its own records of migrations, and models of no environment have theirs.
        records = table == "django_migrations" and target is not None and target.environment is not None
        return (target.environment,) if records else ()

    homes = {name: each.schema_name for name, each in environments().items()}
    session = (*target.search_path, "pg_temp") if target and not connection.in_atomic_block else ()
    return Layout(environments_of, homes, session)

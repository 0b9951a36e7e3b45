"""What the statements of a process that serves may do, and for how long: the role of the schema they are of, if the
schemas have roles (see `roles`), and a time that each may take.

Both are set for a transaction (`SET LOCAL`), so they are safe behind a transaction pooler, and nothing of them is left
on a connection. They go in front of a statement, in the same message, so they cost no round trip: several statements in
one message are a transaction where none is open. A connection that needs neither has nothing of this in its way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple

from .alias import SchemaAlias
from .context import active_alias
from .environments import environments_on, primary_of
from .identifiers import quote
from .roles import login_of, role_of

__all__ = [
    "Confinement",
    "confinement_of",
    "confinement_on",
    "owned_by",
    "statement_timeout",
    "timed",
]

_IN_ERROR = 3
"""PQTRANS_INERROR: nothing but a rollback is taken."""

_timeout_ms: ContextVar[int | None] = ContextVar("django_schemas_statement_timeout", default=None)
_timed: list[Callable[[], bool]] = []


def timed(tell: Callable[[], bool]) -> None:
    """Have connections be prepared for `statement_timeout`, if a function tells so when they are opened."""
    _timed.append(tell)


@contextmanager
def statement_timeout(seconds: float | None) -> Iterator[None]:
    """Have PostgreSQL cancel each statement of a block that takes longer than this.

    Args:
        seconds: how long one may take, to the millisecond; as long as it likes if None.

    Raises:
        OperationalError: raised in the block, by the statement.
    """
    token = _timeout_ms.set(None if seconds is None else max(1, round(seconds * 1000)))
    try:
        yield
    finally:
        _timeout_ms.reset(token)


class _Terms(NamedTuple):
    """On what terms a statement runs.

    Attributes:
        role: the role it runs as; None: the login itself.
        timeout_ms: how long it may take; None: what the login, the database or the server says.
    """

    role: str | None = None
    timeout_ms: int | None = None

    def statements(self, present: "_Terms | None") -> list[str]:
        """What makes these the terms of a transaction that has other ones; None: it is not known which."""
        found = []
        if present is None or self.role != present.role:
            found.append(f"SET LOCAL ROLE {'NONE' if self.role is None else quote(self.role)}; ")
        if present is None or self.timeout_ms != present.timeout_ms:
            value = "DEFAULT" if self.timeout_ms is None else self.timeout_ms
            found.append(f"SET LOCAL statement_timeout TO {value}; ")
        return found


_USUAL = _Terms()


class Confinement:
    """The terms that statements on a connection run on.

    Args:
        connection: its wrapper.
        environments: those whose schemas have roles that the connection's login is to become.
    """

    def __init__(self, connection: Any, environments: frozenset[str]) -> None:
        self._connection = connection
        self._environments = environments
        self._login: str = connection.settings_dict["USER"]
        self._hosted = environments_on(connection.alias)
        self._db = primary_of(connection.alias)
        # Whose schema the statement is of that is being run, the innermost last.
        self._owners: list[SchemaAlias | None] = []
        # The terms that the open transaction has got; None: not known.
        self._present: _Terms | None = _USUAL
        # psycopg gives the results of all statements of a message, one after the other; psycopg2 that of the last.
        self._gives_all = not hasattr(connection.Database, "extensions")
        self._takes_scripts = not connection.features.uses_server_side_binding

    @contextmanager
    def to(self, owner: SchemaAlias | None) -> Iterator[None]:
        """Have the statements of a block be of a schema; None: of none."""
        self._owners.append(owner)
        try:
            yield
        finally:
            self._owners.pop()

    def begun(self) -> None:
        """Note that a transaction begins, or ended: what was set for one is no more."""
        self._present = _USUAL

    def rolled_back(self) -> None:
        """Note that a part of the transaction was rolled back, with what was set in it."""
        self._present = None

    def run(self, cursor: Any, sql: Any, params: Any, send: Callable[[Any, Any], Any], *, many: bool = False) -> Any:
        """Send a statement on its terms.

        Args:
            cursor: the driver's.
            sql: the statement.
            params: its parameters; a list of such if `many`.
            send: sends the two.
            many: whether it is sent for each of the parameters.
        """
        terms = self._terms()
        connection = self._connection
        present = _USUAL if connection.autocommit else self._present
        if terms == present or (
            not connection.autocommit and connection.connection.info.transaction_status == _IN_ERROR
        ):
            return send(sql, params)
        statements = terms.statements(present)
        if many or not self._takes_scripts or not isinstance(sql, str) or getattr(cursor, "name", None):
            return self._sent_apart(statements, terms, sql, params, send)
        before = "".join(statements)
        found = send((before if params is None else before.replace("%", "%%")) + sql, params)
        if self._gives_all:
            for _ in statements:
                cursor.nextset()
        if not connection.autocommit:
            self._present = terms
        return found

    def _terms(self) -> _Terms:
        owner = self._owners[-1] if self._owners else active_alias(self._hosted, self._db)
        role = None
        if owner is not None and owner.environment in self._environments:
            role = role_of(owner.schema, self._login, self._connection)
        return _Terms(role, _timeout_ms.get())

    def _sent_apart(
        self, statements: list[str], terms: _Terms, sql: Any, params: Any, send: Callable[[Any, Any], Any]
    ) -> Any:
        """Send what nothing can be put in front of, within a transaction of its own if none is open."""
        connection = self._connection
        with connection.wrap_database_errors, connection.connection.cursor() as cursor:
            if not connection.autocommit:
                cursor.execute("".join(statements))
                self._present = terms
                return send(sql, params)
            cursor.execute("".join(("BEGIN; ", *statements)))
            try:
                found = send(sql, params)
            except BaseException:
                with suppress(connection.Database.Error):
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
            return found


def confinement_of(connection: Any) -> Confinement | None:
    """What confines the statements of a new connection; None if nothing does."""
    db, login = primary_of(connection.alias), connection.settings_dict["USER"]
    environments = frozenset(name for name in environments_on(db) if login and login_of(name, db) == login)
    return Confinement(connection, environments) if environments or any(tell() for tell in _timed) else None


def confinement_on(connection: Any) -> Confinement | None:
    """What confines the statements of a connection, which is opened if there is to be such; None if nothing does."""
    if connection.connection is None and confinement_of(connection) is not None:
        connection.ensure_connection()
    found: Confinement | None = connection.confinement
    return found


@contextmanager
def owned_by(owner: SchemaAlias | None, connection: Any) -> Iterator[None]:
    """Have the statements that are sent on a connection in a block be of a schema."""
    confinement = confinement_on(connection)
    with nullcontext() if confinement is None else confinement.to(owner):
        yield

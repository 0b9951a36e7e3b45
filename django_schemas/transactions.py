"""Transactions that write to two databases: refused, unless somebody says that it is meant.

Each database commits by itself. What is written to two of them "in one transaction" is kept in one and lost in the
other if anything fails in between, and nobody is told. Called with each write of the ORM; SQL of one's own is not seen.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Any

from django.db import connections

from .ambient import Ambient, SyncAndAsync
from .environments import others_than
from .exceptions import TwoDatabases

__all__ = ["Span", "allow_two_databases", "note_write_to"]

_allowed: "Ambient[allow_two_databases]" = Ambient("django_schemas_two_databases")


class allow_two_databases(SyncAndAsync[None]):
    """Let transactions write to two databases: a context manager or a decorator, sync or async.

    For what is right whichever of the two is lost: a log, a counter, steps that are taken again.

    Args:
        why: says so to who reads it. Nothing is done with it.
    """

    def __init__(self, why: str) -> None:
        self.why = why

    def __enter__(self) -> None:
        _allowed.enter(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _allowed.leave(self)


@dataclass
class Span:
    """What was written since a transaction of a connection began.

    Attributes:
        block: the outermost `atomic()`. That of a TestCase, which is around all of a test, does not count, nor do those
            without savepoints, which Django opens around one deletion or the like: nobody asked for a transaction.
        wrote: whether that was to this connection's database.
        elsewhere: alias of another database that was written to meanwhile.
    """

    block: Any
    wrote: bool = False
    elsewhere: str | None = None


_BESIDE = frozenset(("admin.LogEntry", "sessions.Session"))
"""What Django itself writes beside what a request is about, wherever that is: nothing is lost with such a row."""


def note_write_to(connection: Any, label: str) -> None:
    """Note a write that is about to be sent.

    Args:
        connection: that it is sent over.
        label: of the model whose rows are written.

    Raises:
        TwoDatabases: a transaction that is open would have written to two databases with it.
    """
    if label in _BESIDE:
        return
    span = _span(connection)
    if span is not None and span.wrote:
        return  # All that is open now has been looked at, or looks at this one.
    allowed = bool(_allowed.stack())
    for db in () if allowed else others_than(connection.alias):
        # Where nobody was connected nothing is open; `connections.all()` would look at each replica too.
        other = getattr(connections._connections, db, None)  # type: ignore[attr-defined]  # not in the stubs
        around = _span(other) if other is not None else None
        if around is None:
            continue
        if around.wrote:
            raise TwoDatabases(_message(db, connection.alias, "is about to be written to"))
        around.elsewhere = connection.alias
    if span is not None:
        if span.elsewhere is not None and not allowed:
            raise TwoDatabases(_message(connection.alias, span.elsewhere, "was written to"))
        span.wrote = True


def _span(connection: Any) -> Span | None:
    """What was written since the transaction of a connection began; None if none is open, or it is not ours."""
    if not connection.atomic_blocks:
        return None
    block = next((each for each in connection.atomic_blocks if each.savepoint and not each._from_testcase), None)
    if block is None or not hasattr(connection, "span"):
        return None
    span: Span | None = connection.span
    if span is None or span.block is not block:
        span = connection.span = Span(block)
    return span


def _message(db: str, other: str, what: str) -> str:
    return (
        f"A transaction on {db!r} is open, and {other!r} {what} within it. They are not committed together: if one "
        "fails, the other stays. Write to the second behind the transaction, as by transaction.on_commit(), or inside "
        "of allow_two_databases('why that is right')."
    )

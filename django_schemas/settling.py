"""Settling: has several migrations in one transaction change structure as if each had its own.

PostgreSQL alters no table whose rows wait for a deferred constraint. Rows that an earlier migration committed wait only
if what the constraint looks at was changed; rows of the same transaction always do. So what waits is checked before the
schema editor changes structure.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .citus import has_citus, is_distributed, settle_sql

__all__ = ["Settling", "checking", "settled", "settling"]

# Whatever the words mean where they stand: checking once too often does no harm.
_CHANGES_STRUCTURE = re.compile(r"\b(ALTER|CREATE|DROP)\s", re.IGNORECASE)
_CHANGES_ROWS = re.compile(r"\b(CALL|COPY|DELETE|DO|INSERT|MERGE|UPDATE)\s", re.IGNORECASE)

_CHECK, _PUT_OFF = "SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"


def checking(connection: Any, schema: str | None = None) -> tuple[str, ...]:
    """Statements that check what waits, in a schema that has records of migrations; in that looked into if None."""
    elsewhere = is_distributed(connection) if schema is None else has_citus(connection)
    settle = (settle_sql(schema),) if elsewhere else ()
    return _CHECK, *settle, _PUT_OFF


class Settling:
    """Knows, as an `execute_wrapper`, whether rows may wait."""

    def __init__(self, rows_wait: bool) -> None:
        self.rows_wait = rows_wait

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Take note of a statement."""
        self.rows_wait = self.rows_wait or _CHANGES_ROWS.search(str(sql)) is not None
        return execute(sql, params, many, context)


@contextmanager
def settling(connection: Any, *, rows_wait: bool = False) -> Iterator[None]:
    """Have what waits checked before structure is changed, in a migration that has no transaction of its own.

    Args:
        connection: on which it runs.
        rows_wait: whether rows may wait already.
    """
    former, connection.settling = connection.settling, Settling(rows_wait)
    try:
        with connection.execute_wrapper(connection.settling):
            yield
    finally:
        connection.settling = former


@contextmanager
def settled(connection: Any, sql: str, send: Callable[[str], None]) -> Iterator[None]:
    """Send a schema editor's statement, in this block, with no rows waiting, if it changes structure.

    Args:
        connection: whose.
        sql: the statement.
        send: sends one before or behind it.
    """
    found: Settling | None = connection.settling
    if found is None or not _CHANGES_STRUCTURE.search(sql):
        yield
    elif _CHANGES_ROWS.search(sql):
        # A script may do so behind rows of its own.
        *checks, put_off = checking(connection)
        for each in checks:
            send(each)
        yield
        send(put_off)
        found.rows_wait = False
    else:
        if found.rows_wait:
            for each in checking(connection):
                send(each)
            found.rows_wait = False
        yield

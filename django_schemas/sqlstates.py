"""SQLSTATEs: what PostgreSQL says went wrong, whichever driver it was told to."""

from django.db import DatabaseError

__all__ = [
    "DEADLOCK",
    "LOCK_NOT_AVAILABLE",
    "OUT_OF_RESOURCES",
    "QUERY_CANCELED",
    "UNDEFINED",
    "UNDEFINED_TABLE",
    "sqlstate_of",
    "told_by",
]

LOCK_NOT_AVAILABLE = "55P03"
"""A lock was not had within lock_timeout."""
DEADLOCK = "40P01"
UNDEFINED_TABLE = "42P01"
QUERY_CANCELED = "57014"
"""A statement took longer than statement_timeout, or somebody ended it."""
OUT_OF_RESOURCES = "53"
"""How these begin: the disk is full, or the memory, or there are too many connections."""
UNDEFINED = frozenset((UNDEFINED_TABLE, "42703", "3F000"))
"""There is no such table, column or schema."""


def sqlstate_of(error: DatabaseError) -> str | None:
    """The SQLSTATE of an error of Django's; None if the server said none."""
    return told_by(error.__cause__)


def told_by(error: BaseException | None) -> str | None:
    """The SQLSTATE of a driver's error; None if the server said none. Each driver has a name of its own for it."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)

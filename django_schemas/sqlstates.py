"""SQLSTATEs: what PostgreSQL says went wrong, whichever driver it was told to."""

from django.db import DatabaseError

__all__ = ["DEADLOCK", "LOCK_NOT_AVAILABLE", "UNDEFINED", "UNDEFINED_TABLE", "sqlstate_of"]

LOCK_NOT_AVAILABLE = "55P03"
"""A lock was not had within lock_timeout."""
DEADLOCK = "40P01"
UNDEFINED_TABLE = "42P01"
UNDEFINED = frozenset((UNDEFINED_TABLE, "42703", "3F000"))
"""There is no such table, column or schema."""


def sqlstate_of(error: DatabaseError) -> str | None:
    """The SQLSTATE of an error of Django's; None if the server said none. Each driver has a name of its own for it."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)

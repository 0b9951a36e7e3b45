"""Which operations say what becomes of the structure, and which may do anything."""

from django.db.migrations.operations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

__all__ = ["has_own_values", "is_by_hand", "is_declarative"]

_DECLARATIVE = frozenset(("AddConstraintNotValid", "CreateCollation", "RemoveCollation", "ValidateConstraint"))
"""Of PostgreSQL's own operations those that need nothing but the schema, and may be in a transaction."""


def is_declarative(operation: Operation) -> bool:
    """Tell whether what an operation sends follows from the migrations alone, in a schema that was empty."""
    kind = type(operation)
    if isinstance(operation, SeparateDatabaseAndState) and kind is SeparateDatabaseAndState:
        return all(map(is_declarative, operation.database_operations))
    if kind.__module__ == "django.contrib.postgres.operations":
        return kind.__name__ in _DECLARATIVE
    return kind.__module__.startswith("django.db.migrations.operations.") and kind is not RunPython


def is_by_hand(operation: Operation) -> bool:
    """Tell whether an operation's SQL is the project's own: it may do anything, to rows too."""
    if isinstance(operation, SeparateDatabaseAndState):
        return any(map(is_by_hand, operation.database_operations))
    return isinstance(operation, RunSQL)


def has_own_values(operation: Operation) -> bool:
    """Tell whether an operation computes values for rows that are there, other ones at each time: now(), uuid4()."""
    if isinstance(operation, SeparateDatabaseAndState):
        return any(map(has_own_values, operation.database_operations))
    field = getattr(operation, "field", None)
    return field is not None and (
        (field.has_default() and callable(field.default))
        or getattr(field, "auto_now", False)
        or getattr(field, "auto_now_add", False)
    )

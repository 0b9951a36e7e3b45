"""Renames: has RenameField change the state that it is given, and nothing that is shared with others.

Django enters the new name into the fields that point at the old one, in place. These are of the migrations themselves,
so whoever goes through the same ones again in a process, for the next schema, finds the new name where the old one is
needed; and of the states before, too.
"""

from copy import copy
from functools import partial

from django.db.migrations import Migration
from django.db.migrations.operations import RenameField, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

__all__ = ["keep_apart"]


def keep_apart(migration: Migration) -> None:
    """Have a migration's operations leave alone what they share with others; its class's stay as they are."""
    vars(migration)["operations"] = [_apart(operation) for operation in migration.operations]


def _apart(operation: Operation) -> Operation:
    if isinstance(operation, SeparateDatabaseAndState):
        copied = copy(operation)
        copied.database_operations = [_apart(each) for each in operation.database_operations]
        copied.state_operations = [_apart(each) for each in operation.state_operations]
        return copied
    if isinstance(operation, RenameField):
        renaming = copy(operation)
        # Not a class of ours: those that look at operations go by their classes.
        vars(renaming)["state_forwards"] = partial(_rename, operation)
        return renaming
    return operation


def _rename(operation: RenameField, app_label: str, state: ProjectState) -> None:
    for model in state.models.values():
        for name, field in model.fields.items():
            # A composite key names its columns.
            if field.is_relation or hasattr(field, "field_names"):
                model.fields[name] = field.clone()
    operation.state_forwards(app_label, state)

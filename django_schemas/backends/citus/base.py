"""The connection to a coordinator of Citus: the backend's own, whichever that is, with what differs laid over it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.db import IntegrityError, InternalError

from ...citus import is_distributed, settle
from ...target import migrating
from ..postgres.wrapper.base import DatabaseWrapper
from .creation import CitusCreation
from .operations import CitusOperations
from .schema import CitusSchemaEditor

__all__ = ["CitusConnection", "over"]

_VIOLATION = re.compile(r"violates \w+(?: \w+)* constraint")


class CitusConnection(DatabaseWrapper):
    """A connection to a coordinator."""

    def check_constraints(self, table_names: Any = None) -> None:
        """Check what was put off; where the rows of the schema are that is being migrated, too."""
        super().check_constraints(table_names)
        target = migrating(self.alias)
        if target is not None and target.alias is not None and is_distributed(self):
            settle(self, target.alias.schema)

    def _commit(self) -> None:
        with _remarks_on(self.connection) as remarks:
            try:
                super()._commit()
            except InternalError as error:
                # What was put off is checked by the worker as it commits, whose error comes as a warning.
                said = [remark for remark in remarks if _VIOLATION.search(remark)]
                if not said:
                    raise
                message = f"{said[0].removeprefix('WARNING:').strip()}\n{str(error).strip()}"
                raise IntegrityError(message) from error.__cause__


@contextmanager
def _remarks_on(raw: Any) -> Iterator[list[str]]:
    """What the server remarks on a driver's connection in this block; each driver has a way of its own to tell."""
    if not hasattr(raw, "add_notice_handler"):
        if raw is not None:
            # The latest alone are kept, so that a number would not tell where the new ones begin.
            del raw.notices[:]
        yield [] if raw is None else raw.notices
        return
    remarks: list[str] = []

    def note(remark: Any) -> None:
        remarks.append(remark.message_primary or "")

    raw.add_notice_handler(note)
    try:
        yield remarks
    finally:
        raw.remove_notice_handler(note)


@cache
def over(cls: type[DatabaseWrapper]) -> type[DatabaseWrapper]:
    """The class of connections to a coordinator, made of that of others."""
    if issubclass(cls, CitusConnection):
        return cls
    parts: dict[str, Any] = {
        "creation_class": _over(CitusCreation, cls.creation_class),
        "ops_class": _over(CitusOperations, cls.ops_class),
        "SchemaEditorClass": _over(CitusSchemaEditor, cls.SchemaEditorClass),
    }
    return type(cls.__name__, (CitusConnection, cls), {"__module__": cls.__module__, **parts})


def _over(one: type[Any], other: type[Any]) -> type[Any]:
    return one if issubclass(one, other) else type(other.__name__, (one, other), {"__module__": other.__module__})

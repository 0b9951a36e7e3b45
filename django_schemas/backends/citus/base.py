"""The connection to a coordinator of Citus: the backend's own, whichever that is, with what differs laid over it."""

import re
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

    _notices: list[Any]

    def init_connection_state(self) -> None:
        """Prepare a new connection."""
        super().init_connection_state()
        raw: Any = self.connection
        if hasattr(raw, "add_notice_handler"):
            self._notices = []
            raw.add_notice_handler(lambda notice: self._notices.append(notice.message_primary or ""))

    def check_constraints(self, table_names: Any = None) -> None:
        """Check what was put off; where the rows of the schema are that is being migrated, too."""
        super().check_constraints(table_names)
        target = migrating(self.alias)
        if target is not None and target.alias is not None and is_distributed(self):
            settle(self, target.alias.schema)

    def _commit(self) -> None:
        told = self._told()
        before = len(told)
        try:
            super()._commit()
        except InternalError as error:
            # What was put off is checked by the worker as it commits, whose error comes as a warning.
            said = [notice for notice in self._told()[before:] if _VIOLATION.search(notice)]
            if not said:
                raise
            raise IntegrityError(
                f"{said[0].removeprefix('WARNING:').strip()}\n{str(error).strip()}"
            ) from error.__cause__

    def _told(self) -> list[Any]:
        """What the server remarked."""
        raw: Any = self.connection
        return self._notices if hasattr(raw, "add_notice_handler") else raw.notices


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

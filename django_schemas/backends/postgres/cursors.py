"""Cursors: Django's, which note that a database answered. What else Django does by a cursor may need no server."""

from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper

from ...health import heard

__all__ = ["HearingCursor", "HearingDebugCursor"]


class _Hearing:
    db: Any

    def _execute(self, *args: Any) -> Any:
        result = super()._execute(*args)  # type: ignore[misc]  # Django's
        heard(self.db.alias)
        return result


class HearingCursor(_Hearing, CursorWrapper):
    """A cursor."""


class HearingDebugCursor(_Hearing, base.CursorDebugWrapper):
    """A cursor whose statements are logged."""

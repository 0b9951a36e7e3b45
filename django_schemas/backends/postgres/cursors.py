"""Cursors: Django's, which note that a database answered, and put remarks behind statements. What else Django does by a
cursor may need no server.

Those of a connection whose statements are confined send them on its terms.
"""

from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper

from ...health import heard
from ...remarks import Remark, remarked

__all__ = ["ConfinedCursor", "ConfinedDebugCursor", "HearingCursor", "HearingDebugCursor"]


class _Hearing:
    db: Any

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        result = super()._execute(self._remarked(sql, params is not None), params)  # type: ignore[misc]  # Django's
        heard(self.db.alias)
        return result

    def _executemany(self, sql: Any, params: Any, *ignored: Any) -> Any:
        return super()._executemany(self._remarked(sql, True), params)  # type: ignore[misc]  # Django's

    def _remarked(self, sql: Any, has_params: bool) -> Any:
        remark: Remark | None = self.db.remark
        if remark is None or not isinstance(sql, str):
            return sql
        return remarked(sql, remark(), has_params=has_params)


class HearingCursor(_Hearing, CursorWrapper):
    """A cursor."""


class HearingDebugCursor(_Hearing, base.CursorDebugWrapper):
    """A cursor whose statements are logged."""


class _Confined:
    cursor: Any
    db: Any

    def _execute(self, sql: Any, params: Any, *ignored: Any) -> Any:
        send = super()._execute  # type: ignore[misc]  # Django's
        return self.db.confinement.run(self.cursor, sql, params, send)

    def _executemany(self, sql: Any, params: Any, *ignored: Any) -> Any:
        send = super()._executemany  # type: ignore[misc]  # Django's
        return self.db.confinement.run(self.cursor, sql, params, send, many=True)


class ConfinedCursor(_Confined, HearingCursor):
    """A cursor whose statements are confined."""


class ConfinedDebugCursor(_Confined, HearingDebugCursor):
    """The same, whose statements are logged."""

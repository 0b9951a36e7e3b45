"""The control: Django's backend with the schema on the session's search_path, set once for each switch.

This is how it is commonly done, and what a pooler in transaction mode breaks. The load must find that out.
"""

from typing import Any

from django.db.backends.postgresql import base

from django_schemas.identifiers import search_path

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is switched to a schema."""

    _to_be_set: str | None = None

    def switch(self, schema: str) -> None:
        """Have the next cursor set the search_path."""
        self._to_be_set = schema

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = super().create_cursor(name)
        if self._to_be_set is not None:
            schema, self._to_be_set = self._to_be_set, None
            cursor.execute(f"SET search_path TO {search_path([schema])}")
        return cursor

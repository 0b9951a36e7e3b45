"""`.raw()` on a model of an environment: the SQL runs in a transaction whose search_path is the schema."""

from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.models.query import RawQuerySet

from .alias import SchemaAlias
from .routers import placed_using
from .search_path import local_search_path

__all__ = ["SchemaRawQuerySet"]


class SchemaRawQuerySet(RawQuerySet):  # type: ignore[type-arg]
    """A RawQuerySet whose unqualified table names are looked up in its schema."""

    _hints: dict[str, Any]

    def __repr__(self) -> str:
        return f"<RawQuerySet: {self.query}>"

    def iterator(self) -> Iterator[Any]:
        """Run the query in its schema; all rows are read before the transaction ends."""
        alias = self.db
        if not isinstance(alias, SchemaAlias):
            return iter(super().iterator())
        with local_search_path(connections[alias], (alias.schema,)):
            return iter(list(super().iterator()))

    def using(self, alias: str | None) -> Any:
        """The same query for another place; a plain alias means the same schema there, or the active one."""
        if alias is not None and self.model is not None:
            alias = placed_using(self.model, alias, self._hints.get("placement"))
        raw = super().using(alias)
        raw.__class__ = type(self)
        return raw

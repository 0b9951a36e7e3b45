"""`.raw()` on a model of an environment: the SQL runs in a transaction whose search_path is the schema."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.query import RawQuerySet
from django.db.models.sql import RawQuery
from django.utils.functional import cached_property

from .alias import SchemaAlias
from .confining import owned_by
from .context import ensure_active
from .places import placed_using, settle
from .search_path import local_search_path

__all__ = ["SchemaRawQuerySet"]


class SchemaRawQuerySet(RawQuerySet):  # type: ignore[type-arg]
    """A RawQuerySet whose unqualified table names are looked up in its schema."""

    _db: str | None
    db: SchemaAlias
    _hints: dict[str, Any]

    def __init__(
        self,
        raw_query: Any,
        model: Any = None,
        query: Any = None,
        params: Any = (),
        translations: Any = None,
        using: str | None = None,
        hints: Any = None,
    ) -> None:
        # Where it runs may be known only when it runs, as for any other queryset: `iterator` gives the query its place.
        query = query or RawQuery(sql=raw_query, using=using or DEFAULT_DB_ALIAS, params=params)
        super().__init__(raw_query, model, query, params, translations, using, hints)

    def __repr__(self) -> str:
        return f"<RawQuerySet: {self.query}>"

    def iterator(self) -> Iterator[Any]:
        """Run the query in its schema; all rows are read before the transaction ends."""
        placed = self._placed()
        with placed._in_schema():
            rows = list(RawQuerySet.iterator(placed))
        self.query.cursor = placed.query.cursor
        for row in rows:
            settle(row, placed.db)
        return iter(rows)

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the query, as the database names them."""
        # Once the query was run, its cursor knows them.
        placed = self._placed() if self.query.cursor is None else self
        with placed._in_schema() if placed.query.cursor is None else nullcontext():
            columns: list[str] = RawQuerySet.columns.func(placed)  # type: ignore[attr-defined]
        return columns

    def using(self, alias: str | None) -> Any:
        """The same query for another place; a plain alias means the same schema there, or the active one."""
        if alias is not None:
            alias = placed_using(self.model, alias, self._hints.get("placement"))  # type: ignore[arg-type]
        raw = super().using(alias)
        raw.__class__ = type(self)
        return raw

    def _placed(self) -> "SchemaRawQuerySet":
        """This, pinned to one place, replica or primary, so that it is chosen once."""
        return self if self._db is not None and self._db == self.query.using else self.using(self.db)

    @contextmanager
    def _in_schema(self) -> Iterator[None]:
        connection = connections[self.db]
        with owned_by(self.db, connection), local_search_path(connection, (self.db.schema,)):
            yield

    def _prefetch_related_objects(self) -> None:
        with ensure_active(self._placed().db):
            super()._prefetch_related_objects()  # type: ignore[misc]

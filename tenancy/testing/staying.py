"""Watches that statements stay in a tenant's schema, while a test runs a view or whatever it likes.

The ORM writes each table with its schema, so a text says where it leads; of a name without one the server is asked, as
it would look it up at that moment. What is found is told at the end of the block, so no `except` of a view hides it.
"""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.utils.asyncio import async_unsafe

from django_schemas.environments import environment, environments_on, primary_of
from django_schemas.identifiers import quote

from ..models import AbstractTenant
from .statements import Named, Refused, read

__all__ = ["assert_stays_in_tenant"]

_OF_THE_SERVER = ("information_schema", "pg_catalog")
_OURS = "SELECT current_setting('search_path'), set_config('search_path', %s, true)"
"""What `schema_cursor()` sends. Where that leads is seen by the names that are looked up then."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The schemas of a database that may be read, and those that may be changed."""

    reads: frozenset[str]
    writes: frozenset[str]

    def hold(self, name: Named) -> bool:
        """Tell whether a statement may name this."""
        if name.schema is not None and (name.schema in _OF_THE_SERVER or name.schema.startswith("pg_temp")):
            return True
        return name.schema in (self.writes if name.written else self.reads | self.writes)


class assert_stays_in_tenant:
    """Fail unless all statements of a block stay in a tenant's schema: `with assert_stays_in_tenant(tenant): ...`.

    What the registry and other single schemas hold may be read there, not changed. Watched are the connections of this
    thread, in which Django's test clients run views; in an asynchronous test write `async with`.

    Args:
        tenant: whose schema.
        reads: names of other schemas that may be read; the single schemas of the tenant's and all other databases if
            None.
        writes: names of other schemas that may be read and changed, as `public` for models of no environment.

    Raises:
        AssertionError: a statement named a table elsewhere, or can't be judged, or none was sent at all.
    """

    def __init__(
        self, tenant: AbstractTenant, *, reads: Collection[str] | None = None, writes: Collection[str] = ()
    ) -> None:
        self.tenant = tenant
        self.reads, self.writes = reads, writes
        self._found: list[str] = []
        self._seen = 0
        self._watching = ExitStack()

    @async_unsafe("In an asynchronous test write: async with assert_stays_in_tenant(...).")
    def __enter__(self) -> None:
        self._found, self._seen = [], 0
        for connection in connections.all():
            self._watching.enter_context(connection.execute_wrapper(self._watch))

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watching.close()
        tenant = f"Tenant {self.tenant.slug!r} ({self.tenant.placement})"
        if self._found:
            raise AssertionError("\n  ".join((f"{tenant}: not all statements stayed in its schema.", *self._found)))
        if exc is None and not self._seen:
            raise AssertionError(
                f"{tenant}: no statement was seen, so nothing is shown. They may have been sent in another thread."
            )

    async def __aenter__(self) -> None:
        await sync_to_async(self.__enter__)()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await sync_to_async(self.__exit__)(exc_type, exc, traceback)

    def _watch(self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        connection = context["connection"]
        text = sql if isinstance(sql, str) else sql.as_string(connection.connection)
        self._seen += 1
        self._found += [f"{fault}, on {connection.alias}: {text}" for fault in self._faults(text, params, connection)]
        return execute(sql, params, many, context)

    def _faults(self, sql: str, params: Any, connection: Any) -> list[str]:
        if sql == _OURS:
            return []
        if "set_config" in sql and "search_path" in str(params):
            return ["sets search_path: use schema_cursor()"]
        try:
            names = read(sql)
        except Refused as refused:
            return [str(refused)]
        bounds = self._bounds(connection.alias)
        found = [each for name in sorted(names, key=str) if (each := _looked_up(name, connection)) is not None]
        return [f"{'changes' if name.written else 'reads'} {name}" for name in found if not bounds.hold(name)]

    def _bounds(self, alias: str) -> _Bounds:
        db = primary_of(alias)
        homes = (environment(name).schema_name for name in environments_on(db))
        reads = frozenset(home for home in homes if home) if self.reads is None else frozenset(self.reads)
        own = {self.tenant.schema_name} if db == self.tenant.db else set()
        return _Bounds(reads, frozenset(self.writes) | own)


def _looked_up(name: Named, connection: Any) -> Named | None:
    """A name with the schema that the server finds it in at this moment; None if there is no such table."""
    if name.schema is not None:
        return name
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        try:
            cursor.execute(
                "SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                "ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(%s)",
                [quote(name.name)],
            )
        except connection.Database.Error:  # As is the statement then, in a transaction that has failed.
            return None
        row = cursor.fetchone()
    return None if row is None else Named(str(row[0]), name.name, name.written)

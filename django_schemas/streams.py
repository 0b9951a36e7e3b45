"""Rows as streams of COPY text, by either driver: the only module that knows how each of them sends COPY.

Text, since it is the same in every version of PostgreSQL; a line is a row. Memory is bounded, whatever the table.
"""

import os
from collections.abc import Callable
from threading import Thread
from time import monotonic
from typing import IO, Any, BinaryIO, cast

from django.db.backends.base.base import BaseDatabaseWrapper

from .identifiers import qualified, quote
from .inventory import Table

__all__ = ["Meter", "Progress", "pump", "read_rows", "write_rows"]

CHUNK_BYTES = 1 << 18
TELL_EVERY_S = 0.1

Progress = Callable[[str, int, int], None]
"""Called with a table's name, how many of its rows were copied, and how many bytes of COPY text these were."""


class Meter:
    """Counts the rows and bytes of a stream that passes through it, and tells of them now and then.

    Args:
        table: name of the table.
        progress: whom to tell.
    """

    def __init__(self, table: str, progress: Progress | None = None) -> None:
        self.rows = self.bytes = 0
        self._table = table
        self._progress = progress
        self._told = monotonic()

    def count(self, chunk: bytes) -> None:
        """Count a chunk."""
        self.rows += chunk.count(b"\n")
        self.bytes += len(chunk)
        if self._progress is not None and monotonic() - self._told > TELL_EVERY_S:
            self.tell()

    def tell(self) -> None:
        """Tell how far it has come."""
        if self._progress is not None:
            self._progress(self._table, self.rows, self.bytes)
            self._told = monotonic()


class _Chunks:
    """Gathers what a driver writes row by row, and hands it on in chunks."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write
        self._rows: list[bytes] = []
        self._size = 0

    def write(self, row: Any) -> int:
        row = bytes(row)
        self._rows.append(row)
        self._size += len(row)
        if self._size >= CHUNK_BYTES:
            self.flush()
        return len(row)

    def flush(self) -> None:
        if self._rows:
            self._write(b"".join(self._rows))
            self._rows, self._size = [], 0


def read_rows(connection: BaseDatabaseWrapper, schema: str, table: Table, write: Callable[[bytes], Any]) -> None:
    """Read a table's rows, as COPY writes them, in chunks.

    Args:
        connection: on which; the rows are those that its transaction sees.
        schema: name of the schema.
        table: which table.
        write: called with each chunk.
    """
    with connection.cursor() as cursor:
        _copy_out(cursor.cursor, _reading(schema, table), write)


def write_rows(connection: BaseDatabaseWrapper, schema: str, table: Table, read: Callable[[int], bytes]) -> None:
    """Write rows into a table, identity columns as they were.

    Args:
        connection: on which.
        schema: name of the schema.
        table: which table, with the columns that the stream has.
        read: called with a size; returns so many bytes at most, and none at the end.
    """
    name = qualified(schema, table.name)
    sql = f"COPY {name} ({_columns(table)}) FROM STDIN WITH (ENCODING 'UTF8')"
    with connection.cursor() as cursor, connection.wrap_database_errors:
        raw = cursor.cursor
        if hasattr(raw, "copy_expert"):
            raw.copy_expert(sql, cast(IO[bytes], _Reader(read)), size=CHUNK_BYTES)
        else:
            with raw.copy(sql) as copy:
                while chunk := read(CHUNK_BYTES):
                    copy.write(chunk)


def pump(
    source: BaseDatabaseWrapper,
    source_schema: str,
    target: BaseDatabaseWrapper,
    target_schema: str,
    table: Table,
    progress: Progress | None = None,
) -> int:
    """Stream a table's rows from one connection to another, and return how many these were.

    Raises:
        DatabaseError: either side failed. The target's transaction is to be rolled back: it may hold half of the rows.
    """
    meter = Meter(table.name, progress)
    outlet, inlet = os.pipe()
    # Made here: Django lets a connection be used by the thread only that made it.
    with source.cursor() as cursor, os.fdopen(outlet, "rb", buffering=0) as reader:
        thread = _Reading(cursor.cursor, _reading(source_schema, table), inlet)
        thread.start()

        def read(size: int) -> bytes:
            chunk = reader.read(size)
            meter.count(chunk)
            return chunk

        try:
            write_rows(target, target_schema, table, read)
        except BaseException:
            reader.close()
            # It may wait for the server, which waits for it.
            thread.cancel()
            thread.join()
            raise
        thread.join()
    if thread.error is not None:
        with source.wrap_database_errors:
            raise thread.error
    meter.tell()
    return meter.rows


class _Reading(Thread):
    """Reads rows into a pipe."""

    def __init__(self, cursor: Any, sql: str, inlet: int) -> None:
        super().__init__(name="django_schemas: COPY", daemon=True)
        self.error: BaseException | None = None
        self._cursor, self._sql, self._inlet = cursor, sql, inlet

    def run(self) -> None:
        try:
            with os.fdopen(self._inlet, "wb", buffering=0) as writer:
                _copy_out(self._cursor, self._sql, lambda chunk: _write_all(writer, chunk))
        except BaseException as error:
            self.error = error

    def cancel(self) -> None:
        self._cursor.connection.cancel()


class _Reader:
    """A file, as far as psycopg2 needs one."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read

    def readline(self, size: int = -1) -> bytes:
        # psycopg2 wants a file to have it, and never calls it.
        raise NotImplementedError


def _copy_out(cursor: Any, sql: str, write: Callable[[bytes], Any]) -> None:
    chunks = _Chunks(write)
    if hasattr(cursor, "copy_expert"):
        cursor.copy_expert(sql, chunks)
    else:
        with cursor.copy(sql) as copy:
            for row in copy:
                chunks.write(row)
    chunks.flush()


def _write_all(writer: BinaryIO | Any, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[writer.write(rest) :]


def _reading(schema: str, table: Table) -> str:
    only = "" if table.partitioned else "ONLY "
    rows = f"SELECT {_columns(table)} FROM {only}{qualified(schema, table.name)}"
    return f"COPY ({rows}) TO STDOUT WITH (ENCODING 'UTF8')"


def _columns(table: Table) -> str:
    return ", ".join(map(quote, table.column_names))

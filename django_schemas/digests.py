"""Digests: what tells whether two tables hold the same rows, whatever their order, database or session.

A row's text is hashed as PostgreSQL hashes keys of partitions, which is the same in every version, and the hashes are
added up: one pass, no sorting, on all cores that the server gives.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

from .identifiers import qualified, quote
from .inventory import Table
from .snapshots import steady

__all__ = ["Digest", "digests_of", "unequal"]


@dataclass(frozen=True, slots=True)
class Digest:
    """What a table's rows come to.

    Attributes:
        rows: how many there are.
        checksum: the sum of their hashes.
    """

    rows: int
    checksum: int


def digests_of(connection: BaseDatabaseWrapper, schema: str, tables: Iterable[Table]) -> dict[str, Digest]:
    """The digests of tables, by name; in an open transaction, one statement for each."""
    found = {}
    with steady(connection), connection.cursor() as cursor:
        for table in tables:
            row = ", ".join(map(quote, sorted(table.column_names)))
            only = "" if table.partitioned else "ONLY "
            cursor.execute(
                f'SELECT count(*), coalesce(sum(hashtextextended(ROW({row})::text COLLATE "C", 0)), 0) '
                f"FROM {only}{qualified(schema, table.name)}"
            )
            rows, checksum = cursor.fetchone()
            found[table.name] = Digest(rows, int(checksum))
    return found


def unequal(source: dict[str, Digest], target: dict[str, Digest]) -> list[str]:
    """The tables whose rows are not the same, in words."""
    return [
        f"{name} has {source[name].rows} rows there and {target[name].rows} here"
        + (", not the same ones" if source[name].rows == target[name].rows else "")
        for name in source
        if source[name] != target[name]
    ]

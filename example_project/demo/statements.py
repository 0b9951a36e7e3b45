"""Judging a statement log: what each request sent, and whether it says where its tables are.

Pure functions, from the lines of the log to complaints.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from tools.sql import Kind, statements_of


def read(log: Path) -> dict[str, list[str]]:
    """Return the statements of each request, by its tag."""
    requests: dict[str, list[str]] = defaultdict(list)
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        requests[entry["request"]].append(entry["sql"])
    return requests


def complaints(statements: Iterable[str], tables: Collection[str], schemas: Collection[str]) -> list[str]:
    """Return what is wrong with the statements of a request: state set, tables in no or a wrong schema.

    Args:
        statements: What was sent.
        tables: Names of the tables that live in schemas.
        schemas: The schemas that this request may touch.
    """
    found = []
    for sql in statements:
        for statement in statements_of(sql, has_params=True):
            found += [f"changes the connection's state: {sql[:200]}" for _ in statement.settings]
            found += [
                f"table {name.name!r} in schema {name.schema!r}: {sql[:200]}"
                for name in statement.names
                if name.kind is Kind.TABLE and name.name in tables and name.schema not in schemas
            ]
    return found

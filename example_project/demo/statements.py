"""Judging a statement log: what each request sent, and whether it says where its tables are.

Pure functions, from the lines of the log to complaints.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

STATEFUL = re.compile(r"^\s*(SET|RESET|DISCARD)\b|search_path|set_config", re.IGNORECASE)
NAMED = re.compile(
    r"""\b(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+)?(?:"(?P<schema>[^"]+)"\.)?"(?P<table>[^"]+)\"""",
    re.IGNORECASE,
)


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
        if STATEFUL.search(sql):
            found.append(f"changes the connection's state: {sql[:200]}")
        for name in NAMED.finditer(sql):
            if name["table"] in tables and name["schema"] not in schemas:
                found.append(f"table {name['table']!r} in schema {name['schema']!r}: {sql[:200]}")
    return found

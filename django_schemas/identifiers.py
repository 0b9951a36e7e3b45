"""Validates schema names where they enter, and quotes names for SQL: the only module that does either.

PostgreSQL cuts identifiers at 63 bytes without an error (NAMEDATALEN - 1), so two long names could mean one schema;
that is why the length is checked in bytes, here.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from .exceptions import InvalidSchemaName

__all__ = [
    "MAX_BYTES",
    "is_reserved",
    "literal",
    "needs_no_escape",
    "qualified",
    "quote",
    "search_path",
    "validate_schema_name",
]

MAX_BYTES = 63
"""Longest identifier that PostgreSQL keeps whole, in bytes."""

_NAME = re.compile(r"[a-z_][a-z0-9_-]*\Z")


def is_reserved(name: str) -> bool:
    """Tell whether PostgreSQL, or every database's default, owns this schema name."""
    return name == "public" or name == "information_schema" or name.startswith("pg_")


def validate_schema_name(name: object, *, allow_public: bool = False) -> str:
    """Return the name if a schema may be called so.

    Args:
        name: lower-case letters, digits, `_` and `-`, starting with a letter or `_`; 1 to 63 bytes; not reserved.
        allow_public: accept `public`, for a declared `SCHEMA_NAME`.

    Raises:
        InvalidSchemaName: the name breaks one of these rules; the message says which.
    """
    if not isinstance(name, str):
        raise InvalidSchemaName(f"A schema name is a str, not {type(name).__name__}: {name!r}.")
    if len(name.encode(errors="replace")) > MAX_BYTES:
        raise InvalidSchemaName(f"Schema name {name!r} is longer than {MAX_BYTES} bytes; PostgreSQL would cut it.")
    if not _NAME.match(name):
        raise InvalidSchemaName(
            f"Schema name {name!r} is not valid: use lower-case letters, digits, '_' and '-', "
            "starting with a letter or '_'."
        )
    if is_reserved(name) and not (allow_public and name == "public"):
        raise InvalidSchemaName(f"Schema name {name!r} is reserved: choose another.")
    return name


def needs_no_escape(name: str) -> bool:
    """Tell whether a name stands for itself within quotes of whichever kind, as each one does that is valid."""
    return _NAME.match(name) is not None


@lru_cache(maxsize=10_000)
def quote(name: str) -> str:
    """Return the name as a quoted SQL identifier."""
    return '"{}"'.format(str(name).replace('"', '""'))


def literal(text: str) -> str:
    """Return a text as an SQL literal. A backslash is itself in it, as in the standard."""
    return "'{}'".format(text.replace("'", "''"))


def qualified(schema: str, name: str) -> str:
    """Return `"schema"."name"`."""
    return f"{quote(schema)}.{quote(name)}"


def search_path(schemas: Iterable[str]) -> str:
    """Return the value of a search_path that holds these schemas, in this order.

    Behind them stands the session's schema of temporary tables, which would be looked into first if it were not named.
    """
    return ", ".join((*map(quote, schemas), "pg_temp"))

"""Schema names: which are taken, which are refused and why, and how they are written into SQL."""

import pytest

from django_schemas.exceptions import InvalidSchemaName
from django_schemas.identifiers import (
    MAX_BYTES,
    is_reserved,
    qualified,
    quote,
    search_path,
    validate_schema_name,
)

VALID = ["a", "_", "acme", "acme_2", "acme-2", "_acme", "a" * 63, "order", "user", "select", "pg", "pga", "publicity"]

INVALID = {
    "empty": "",
    "upper case": "Acme",
    "digit first": "3m",
    "dash first": "-acme",
    "space": "a b",
    "leading space": " acme",
    "trailing newline": "acme\n",
    "newline inside": "ac\nme",
    "nul": "acme\0",
    "dot": "acme.ticket",
    "double quote": 'acme"',
    "single quote": "acme'",
    "comma": "acme,public",
    "colon": "a:b",
    "per cent": "acme%s",
    "backslash": "acme\\",
    "slash": "../evil",
    "semicolon": "acme; DROP SCHEMA public",
    "umlaut": "äcme",
    "other digits": "acme٣",
    "ligature": "ﬁrm",
    "zero width": "ac\u200bme",
    "lone surrogate": "acme\ud800",
    "full width": "ａｃｍｅ",
    "kelvin sign": "\u212a",
}

RESERVED = ["public", "information_schema", "pg_catalog", "pg_toast", "pg_", "pg_temp_1"]


@pytest.mark.parametrize("name", VALID)
def test_valid_name_is_returned_unchanged(name: str) -> None:
    """Lower-case letters, digits, `_` and `-` make a name; SQL key words too, since names are always quoted."""
    assert validate_schema_name(name) == name


@pytest.mark.parametrize("name", INVALID.values(), ids=INVALID)
def test_invalid_name_is_refused(name: str) -> None:
    """What is not made of these characters is refused, with the name and the rule in the message."""
    with pytest.raises(InvalidSchemaName) as caught:
        validate_schema_name(name)
    assert str(caught.value) == (
        f"Schema name {name!r} is not valid: use lower-case letters, digits, '_' and '-', "
        "starting with a letter or '_'."
    )


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_name_is_refused(name: str) -> None:
    """Names that PostgreSQL or every database owns are refused."""
    with pytest.raises(InvalidSchemaName) as caught:
        validate_schema_name(name)
    assert str(caught.value) == f"Schema name {name!r} is reserved: choose another."


def test_public_is_allowed_only_where_it_is_declared() -> None:
    """`public` passes for a declared SCHEMA_NAME; nothing else that is reserved passes with it."""
    assert validate_schema_name("public", allow_public=True) == "public"
    for name in ("information_schema", "pg_catalog"):
        with pytest.raises(InvalidSchemaName):
            validate_schema_name(name, allow_public=True)


def test_63_bytes_are_the_limit() -> None:
    """A name of 63 bytes is kept whole by PostgreSQL; one of 64 would be cut, so it is refused."""
    assert MAX_BYTES == 63
    assert validate_schema_name("x" * 63) == "x" * 63
    with pytest.raises(InvalidSchemaName) as caught:
        validate_schema_name("x" * 64)
    assert str(caught.value) == f"Schema name {'x' * 64!r} is longer than 63 bytes; PostgreSQL would cut it."


def test_length_is_counted_in_bytes() -> None:
    """32 characters of two bytes each are too long: two such names could be equal in their first 63 bytes."""
    with pytest.raises(InvalidSchemaName, match="longer than 63 bytes"):
        validate_schema_name("ä" * 32)


@pytest.mark.parametrize("value", [None, 3, b"acme", ["acme"], object])
def test_value_that_is_no_str_is_refused(value: object) -> None:
    """Anything but a str is refused by its type."""
    with pytest.raises(InvalidSchemaName) as caught:
        validate_schema_name(value)
    assert str(caught.value) == f"A schema name is a str, not {type(value).__name__}: {value!r}."


def test_is_reserved() -> None:
    """Reserved is what PostgreSQL owns and `public`, and nothing that merely begins like them."""
    names = ["public", "information_schema", "pg_x", "pg", "publics", "information_schema2", "acme"]
    assert [name for name in names if is_reserved(name)] == ["public", "information_schema", "pg_x"]


def test_quoting() -> None:
    """A quoted identifier stays one identifier, whatever is in it."""
    assert quote("order") == '"order"'
    assert quote('a"; DROP SCHEMA "b') == '"a""; DROP SCHEMA ""b"'
    assert qualified("acme", "ticket") == '"acme"."ticket"'
    assert search_path(["acme", "public"]) == '"acme", "public", pg_temp'

"""Scripts are taken apart where PostgreSQL would, and nowhere else."""

import pytest

from django_schemas.scripts import statements_of


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("a; b;", ["a", "b"]),
        (" ; -- nothing;\n;", []),
        ("SELECT 'a;''b'; c", ["SELECT 'a;''b'", "c"]),
        (r"SELECT e'\';', 1; b", [r"SELECT e'\';', 1", "b"]),
        (r"SELECT '\'; b", [r"SELECT '\'", "b"]),
        ('SELECT "a;""b"; c', ['SELECT "a;""b"', "c"]),
        ("DO $x$ a; $$b;$$ $x$; c", ["DO $x$ a; $$b;$$ $x$", "c"]),
        ("SELECT $1; SELECT $2", ["SELECT $1", "SELECT $2"]),
        ("a /* ; /* ; */ ; */ b; c", ["a /* ; /* ; */ ; */ b", "c"]),
        ("a -- b; c\n; d", ["a -- b; c", "d"]),
        ("CREATE RULE r AS ON INSERT TO t DO (a; b); c", ["CREATE RULE r AS ON INSERT TO t DO (a; b)", "c"]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; c",
            ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END", "c"],
        ),
        ("BEGIN; a; END; b", ["BEGIN", "a", "END", "b"]),
    ],
)
def test_statements_of(script: str, statements: list[str]) -> None:
    assert statements_of(script) == statements

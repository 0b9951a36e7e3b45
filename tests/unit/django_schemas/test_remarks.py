"""A remark behind a statement stays a comment, whatever it says and whatever the statement is."""

import pgparse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_schemas.remarks import remarked

NASTY = [
    "*/ DROP TABLE x; /*",
    "/*",
    "*/",
    "a/",
    "*",
    "/",
    "*/*",
    "/*/",
    "'; --",
    "$$",
    "\x00",
    "\n--",
    '"',
    "\\",
    "é€",
    "100%",
]


@pytest.mark.parametrize("remark", NASTY)
@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 1;", "SELECT 1 -- one", "SELECT '/*', $$*/$$ /* a /* b */ */"])
def test_the_statement_means_the_same(sql: str, remark: str) -> None:
    """PostgreSQL's parser sees one statement, the one that it sees without the remark."""
    assert tree(remarked(sql, remark, has_params=False)) == tree(sql)


@given(st.text(alphabet="*/%'\"\\- \nab\x00", max_size=12), st.booleans())
def test_any_remark(remark: str, has_params: bool) -> None:
    """So it does for any text."""
    sql = remarked("SELECT 1", remark, has_params=has_params)
    assert tree(sql % () if has_params else sql) == tree("SELECT 1")


def test_no_remark() -> None:
    """Without one the statement is left as it is."""
    assert remarked("SELECT %", "", has_params=True) == "SELECT %"


def test_placeholders() -> None:
    """What looks like a parameter in a remark is none."""
    assert remarked("SELECT %s", "route='%28'", has_params=True) % 1 == "SELECT 1\n/*route='%28'*/"
    assert remarked("SELECT '%s'", "route='%28'", has_params=False) == "SELECT '%s'\n/*route='%28'*/"


def tree(sql: str) -> object:
    return without_places(pgparse.parse(sql))


def without_places(node: object) -> object:
    """A parse tree without where in the text things stand."""
    if isinstance(node, dict):
        return {
            key: without_places(each)
            for key, each in node.items()
            if key not in ("location", "stmt_len", "stmt_location")
        }
    return [without_places(each) for each in node] if isinstance(node, list) else node

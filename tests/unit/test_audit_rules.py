"""The rules of the audit, on fixed statements."""

import pytest

from tests.audit.rules import Fault, Layout, Lookup, Rule, judge
from tools.sql import statements_of

ENVIRONMENTS = {
    "car": ("tenant",),
    "owner": ("tenant",),
    "plan": ("registry",),
    "auth_user": ("registry", "tenant"),
    "contract": ("depot",),
}
LAYOUT = Layout(
    environments_of=lambda table: ENVIRONMENTS.get(table, ()),
    homes={"registry": "registry", "tenant": None, "depot": None},
)
USUAL = Lookup(("$user", "public"))
IN_ACME = Lookup(("acme", "public"))


def judged(sql: str, lookup: Lookup | None = None, layout: Layout = LAYOUT) -> list[Fault]:
    (statement,) = statements_of(sql)
    return judge(statement, layout, lookup)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM acme.car JOIN acme.owner ON true JOIN registry.plan ON true JOIN other ON true",
        "SELECT 1 FROM registry.auth_user JOIN acme.auth_user u ON true",
        "SELECT 1 FROM acme.car JOIN globex.contract ON true",
        "WITH car AS (SELECT 1) SELECT 1 FROM car",
        "DROP INDEX acme.car_by_owner",
        "SET LOCAL search_path TO acme",
        "RESET search_path",
    ],
)
@pytest.mark.parametrize("lookup", [None, USUAL])
def test_nothing_wrong(sql: str, lookup: Lookup | None) -> None:
    """Tables in a schema of their environment are right, several environments in one statement as well."""
    assert judged(sql, lookup) == []


@pytest.mark.parametrize(
    ("lookup", "faults"),
    [
        (None, 2),
        (USUAL, 2),
        (Lookup(("public",)), 2),
        (Lookup(()), 2),
        (Lookup(("registry", "acme")), 2),
        (IN_ACME, 0),
    ],
)
def test_unqualified(lookup: Lookup | None, faults: int) -> None:
    """Tables without a schema are right where the first of search_path can be their environment's."""
    found = [Fault(Rule.UNQUALIFIED, f"table '{name}'") for name in ("car", "owner")]
    assert judged("SELECT 1 FROM car WHERE id IN (SELECT id FROM owner)", lookup) == found[:faults]


def test_unqualified_in_another_environment() -> None:
    """A search_path that shows a tenant's schema shows the registry's tables only where they are adopted by both."""
    assert judged("SELECT 1 FROM auth_user", IN_ACME) == judged("SELECT 1 FROM plan", Lookup(("registry",))) == []
    assert judged("SELECT 1 FROM plan", IN_ACME) == [Fault(Rule.UNQUALIFIED, "table 'plan'")]


@pytest.mark.parametrize("name", ["public.car", "registry.car", "acme.plan", "pg_temp.owner"])
def test_misplaced(name: str) -> None:
    """A schema that can't hold the table is wrong, `public` above all."""
    schema, table = name.split(".")
    assert judged(f"DELETE FROM {name}") == [Fault(Rule.MISPLACED, f"table {table!r} in {schema!r}")]


def test_two_schemas() -> None:
    """A statement that touches two schemas of a multi-schema environment is wrong, by search_path as well."""
    both = [Fault(Rule.TWO_SCHEMAS, "acme and globex of 'tenant'")]
    assert judged("INSERT INTO acme.car SELECT * FROM globex.owner") == both
    assert (
        judged("SELECT 1 FROM acme.auth_user JOIN registry.auth_user r ON true JOIN globex.auth_user g ON true") == both
    )
    assert judged("SELECT 1 FROM car JOIN globex.owner ON true", IN_ACME) == both


def test_beside() -> None:
    """An index, a sequence or a constraint without a schema is wrong if it stands beside a table of an environment."""
    sql = "DROP INDEX by_owner"
    fault = [Fault(Rule.BESIDE, "index 'by_owner'")]
    assert judged(sql) == judged(sql, Lookup(USUAL.path, {"by_owner": ["other", "car"]})) == fault
    assert judged(sql, Lookup(IN_ACME.path, {"by_owner": ["car"]})) == []
    assert judged(sql, Lookup(USUAL.path, {"by_owner": ["other"]})) == judged(sql, USUAL) == []
    for sql, what in (
        ("SELECT nextval('s')", "sequence 's'"),
        ("ALTER SEQUENCE s RESTART", "sequence 's'"),
        ("SET CONSTRAINTS f IMMEDIATE", "constraint 'f'"),
    ):
        assert judged(sql, Lookup(USUAL.path, {"s": ["car"], "f": ["plan"]})) == [Fault(Rule.BESIDE, what)]


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path TO acme",
        "SELECT set_config('search_path', 'acme', false)",
        "ALTER ROLE r SET search_path TO acme",
    ],
)
def test_session(sql: str) -> None:
    """search_path must end with the transaction, but for a migration's that can have none."""
    assert judged(sql) == [Fault(Rule.SESSION, "acme")]
    assert judged(sql, layout=Layout(LAYOUT.environments_of, LAYOUT.homes, session_path=("acme",))) == []
    assert judged(sql, layout=Layout(LAYOUT.environments_of, LAYOUT.homes, session_path=("globex",))) != []

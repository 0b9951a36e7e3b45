"""assert_stays_in_tenant: what it lets pass, and what it does not."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_schemas import schema_cursor
from tenancy import tenant_context
from tenancy.models import Tenant
from tenancy.testing import TenantClient, assert_stays_in_tenant
from tests.apps.garage.models import Tag
from tests.audit.capture import raw_sql

pytestmark = pytest.mark.django_db(databases=["default", "shard2"])


def left(tenant: Tenant, what: str = "") -> Any:
    """What is raised when something leaves a tenant's schema."""
    return pytest.raises(AssertionError, match=rf"(?s)^Tenant '{tenant.slug}' .*not all statements stayed.*{what}")


def run(sql: str, params: Any = None, db: str = "default") -> None:
    with connections[db].cursor() as cursor:
        cursor.execute(sql, params)


def test_passes(hooli: Tenant, vehement: Tenant) -> None:
    """A request that reads the tenant's rows, and the registry to find the tenant."""
    with assert_stays_in_tenant(hooli):
        assert TenantClient(hooli).get("/").json()["witnesses"] == ["hooli"]


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "vehement"."garage_tag"',
        "SELECT * FROM vehement.garage_tag",
        "UPDATE vehement.garage_tag SET witness = 'x'",
        "DELETE FROM vehement.garage_tag",
        "INSERT INTO vehement.garage_tag (name, witness) VALUES ('x', 'x')",
        "SELECT 1 WHERE EXISTS (WITH x AS (SELECT 1 FROM vehement.garage_tag) SELECT 1 FROM x)",
        "SELECT 1; SELECT * FROM vehement.garage_tag",
    ],
)
def test_other_schema(hooli: Tenant, vehement: Tenant, sql: str) -> None:
    """Whatever names a table of another tenant's fails, read or changed."""
    with left(hooli, "vehement"), assert_stays_in_tenant(hooli):
        run(sql)


def test_same_schema_elsewhere(hooli: Tenant, umbrella: Tenant) -> None:
    """A schema is the tenant's in the tenant's database alone."""
    with left(hooli, "umbrella.*on shard2"), assert_stays_in_tenant(hooli), tenant_context(umbrella):
        Tag.objects.count()
    with left(hooli, "hooli.*on shard2"), assert_stays_in_tenant(hooli), pytest.raises(DatabaseError):
        with transaction.atomic(using="shard2"):
            run("SELECT * FROM hooli.garage_tag", db="shard2")


def test_names_without_schema(hooli: Tenant, vehement: Tenant) -> None:
    """The server is asked where they lead, at that moment."""
    with assert_stays_in_tenant(hooli), schema_cursor("default", "hooli") as cursor:
        cursor.execute("WITH tags AS (SELECT * FROM garage_tag) SELECT count(*) FROM tags, pg_class")
    with left(hooli, 'reads "vehement"."garage_tag"'), assert_stays_in_tenant(hooli):
        with schema_cursor("default", "vehement") as cursor:
            cursor.execute("SELECT * FROM garage_tag")
    with left(hooli, 'reads "public"."garage_owner"'), assert_stays_in_tenant(hooli), raw_sql("what public shows"):
        run("SELECT * FROM garage_owner")
    with assert_stays_in_tenant(hooli, reads=["public"]), raw_sql("what public shows"):
        run("SELECT * FROM garage_owner")


def test_search_path(hooli: Tenant) -> None:
    """It may not be set but by schema_cursor(), whatever to."""
    for sql, params in (
        ("SET LOCAL search_path TO hooli", None),
        ("SELECT set_config('search_path', 'hooli', true)", None),
        ("SELECT set_config(%s, %s, true)", ["search_path", "hooli"]),
    ):
        with left(hooli, "sets search_path"), assert_stays_in_tenant(hooli):
            run(sql, params)


def test_registry(hooli: Tenant) -> None:
    """It is read and not changed, unless that is said."""
    with assert_stays_in_tenant(hooli):
        Tenant.objects.count()
    with left(hooli, 'changes "registry"."tenancy_tenant"'), assert_stays_in_tenant(hooli):
        Tenant.objects.update(name="x")
    with assert_stays_in_tenant(hooli, writes=["registry"]):
        Tenant.objects.update(name="x")
    with left(hooli, 'reads "registry"."tenancy_tenant"'), assert_stays_in_tenant(hooli, reads=()):
        Tenant.objects.count()


def test_swallowed(hooli: Tenant, vehement: Tenant) -> None:
    """It is told at the end, so neither what swallows errors nor an error of another kind hides it."""
    with left(hooli, "vehement"), assert_stays_in_tenant(hooli), tenant_context(vehement):
        Tag.objects.count()
        raise ValueError


def test_failed_transaction(hooli: Tenant) -> None:
    """A statement that fails anyway is not asked about; the error is the block's own."""
    with pytest.raises(DatabaseError), transaction.atomic(), assert_stays_in_tenant(hooli):
        with pytest.raises(DatabaseError):
            run("SELECT 1 / 0")
        with raw_sql("it fails"):
            run("SELECT * FROM garage_owner")


def test_nothing_seen(hooli: Tenant) -> None:
    """A block in which nothing was sent shows nothing."""
    with pytest.raises(AssertionError, match="no statement was seen"), assert_stays_in_tenant(hooli):
        pass


def test_error_of_the_block(hooli: Tenant) -> None:
    """Without any fault, an error is the block's own."""
    with pytest.raises(ValueError, match="mine"), assert_stays_in_tenant(hooli):
        raise ValueError("mine")


def test_again(hooli: Tenant, vehement: Tenant) -> None:
    """It looks during its block only, and may be used again."""
    before = list(connection.execute_wrappers)
    staying = assert_stays_in_tenant(hooli)
    with left(hooli), staying:
        run("SELECT * FROM vehement.garage_tag")
    with staying:
        run("SELECT * FROM hooli.garage_tag")
    assert connection.execute_wrappers == before

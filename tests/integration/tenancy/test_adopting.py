"""Tables and schemas that were made elsewhere become tenants': all of it, or nothing.

What is taken over here is made by migrating a schema and taking its mark away; `tests.adoption` does it with projects
of other packages.
"""

from collections.abc import Callable
from contextlib import nullcontext
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas import bind, schema_cursor
from django_schemas.migrations import migrate
from django_schemas.schemas import Mark, mark_of, schema_exists
from tenancy import tenant_context
from tenancy.lifecycle import purge
from tenancy.models import Tenant, TenantEvent
from tests.apps.garage.models import Owner, Tag
from tests.audit.capture import raw_sql

pytestmark = pytest.mark.django_db(databases="__all__")

Legacy = Callable[..., str]


def adopt(*args: str) -> list[str]:
    out = StringIO()
    call_command("tenant", "adopt", *args, stdout=out, stderr=out)
    return out.getvalue().splitlines()


def sql(db: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    on_purpose = raw_sql("a table that is lost to the registry") if "platform_plan" in statement else nullcontext()
    with on_purpose, connections[db].cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def contents(db: str, schema: str) -> dict[str, list[str]]:
    """All rows of all tables."""
    tables = [name for (name,) in sql(db, "SELECT tablename::text FROM pg_tables WHERE schemaname = %s", schema)]
    return {
        table: [row for (row,) in sql(db, f'SELECT t::text FROM "{schema}"."{table}" t ORDER BY 1')]
        for table in sorted(tables)
    }


def records(db: str, schema: str) -> list[tuple[Any, ...]]:
    return sql(db, f'SELECT app, name, applied FROM "{schema}".django_migrations ORDER BY app, name')


def migrated(slug: str) -> str:
    out = StringIO()
    call_command("tenant", "migrate", slug, stdout=out)
    return out.getvalue().strip()


@pytest.fixture
def legacy(tenants: Any) -> Legacy:
    """Make a schema that nobody marked, with rows in it, and records of an app that it has no models of."""

    def make(schema: str = "legacy", db: str = "default") -> str:
        migrate(db, schema, environment="tenant")
        bind(Tag, db, schema).objects.create(pk=41, name="old", witness=schema)
        bind(User, db, schema).objects.create(pk=7, username=schema)
        sql(db, f'COMMENT ON SCHEMA "{schema}" IS NULL')
        sql(db, f"INSERT INTO \"{schema}\".django_migrations (app, name, applied) VALUES ('platform', '0001', now())")
        return schema

    return make


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_tables_become_a_tenants(legacy: Legacy, db: str) -> None:
    """Rows, keys and records are what they were; sequences go on; there is nothing to migrate, and what is no model's
    stays.
    """
    sql(db, f'CREATE TABLE "{legacy(db=db)}".notes AS SELECT 1 AS id')
    before, recorded = contents(db, "legacy"), records(db, "legacy")
    said = adopt("--from", "legacy", "Initrode Ltd", "--slug", "initrode", "--db", db, "--table", "garage_ledger")
    tables = len(before) - 2
    assert said[0] == f"initrode: {tables} tables moved from legacy to {db}.initrode"
    assert said[-1] == "Stay in legacy: notes"
    after = contents(db, "initrode")
    assert {**after, "notes": before["notes"], "django_migrations": None} == {**before, "django_migrations": None}
    assert records(db, "initrode") == [record for record in recorded if record[0] != "platform"]
    assert [record[0] for record in records(db, "legacy")] == ["platform"]
    assert (sorted(contents(db, "legacy")), contents(db, "legacy")["notes"]) == (
        ["django_migrations", "notes"],
        ["(1)"],
    )
    tenant = Tenant.objects.get(slug="initrode")
    assert (tenant.name, tenant.status, str(tenant.placement)) == ("Initrode Ltd", "active", f"{db}.initrode")
    assert mark_of(db, "initrode") == Mark("tenant", str(tenant.pk))
    assert migrated("initrode") == "initrode: nothing to migrate"
    with tenant_context(tenant):
        assert list(Tag.objects.filter(pk=41).values_list("name", "witness")) == [("old", "legacy")]
        assert Owner.objects.create(name="Ada").pk is not None
        assert User.objects.create(username="new").pk not in (None, 7)
    (event,) = TenantEvent.objects.filter(tenant_id=str(tenant.pk))
    assert (event.kind, event.new, event.data["source"]) == ("adopted", "active", "legacy")


def test_dry_run(legacy: Legacy) -> None:
    """What would be done is said, and nothing is."""
    before = contents("default", legacy())
    said = adopt("--from", "legacy", "Initrode", "--dry-run")
    assert "  garage_tag" in said
    assert said[0].endswith("tables would be moved from legacy to default.initrode")
    assert contents("default", "legacy") == before
    assert (schema_exists("default", "initrode"), Tenant.objects.filter(slug="initrode").exists()) == (False, False)
    assert adopt("--schemas", "legacy", "--dry-run") == [
        "legacy: would become legacy (legacy); records of platform deleted"
    ]
    assert contents("default", "legacy") == before
    assert mark_of("default", "legacy") is None
    assert not Tenant.objects.filter(slug="legacy").exists()


@pytest.mark.parametrize(
    ("preparation", "args", "message"),
    [
        ("DROP TABLE legacy.garage_tag CASCADE", ["Initrode"], "there is no garage_tag"),
        (
            "CREATE TABLE legacy.stays (tag_id integer CONSTRAINT stays_tag REFERENCES legacy.garage_tag)",
            ["Initrode"],
            "stays_tag of legacy.stays, which stays, refers to legacy.garage_tag",
        ),
        (
            "CREATE TABLE legacy.platform_plan (id integer PRIMARY KEY); ALTER TABLE legacy.garage_owner "
            "ADD CONSTRAINT owner_plan FOREIGN KEY (plan_id) REFERENCES legacy.platform_plan",
            ["Initrode"],
            "owner_plan refers to legacy.platform_plan, whose rows the project looks for in default.registry",
        ),
        ("CREATE SCHEMA initrode", ["Initrode"], "default.initrode is there already"),
        ("SELECT 1", ["Hooli"], "Tenant 'hooli'"),
        ("SELECT 1", ["Hooli Two", "--schema", "hooli"], "Tenant 'hooli'"),
        ("SELECT 1", ["Initrode", "--db", "nowhere"], "nowhere"),
        ("SELECT 1", ["One", "Two"], "one name"),
        ("SELECT 1", ["Initrode", "--table", "nothing"], "there is no nothing"),
        (
            "DELETE FROM legacy.django_migrations WHERE app = 'auth' AND name = '0001_initial'",
            ["Initrode"],
            "before its dependency",
        ),
    ],
)
def test_refused_tables(legacy: Legacy, preparation: str, args: list[str], message: str) -> None:
    """What can't be taken over is named, and nothing of it is changed."""
    legacy()
    sql("default", preparation)
    before, rows = contents("default", "legacy"), set(Tenant.objects.values_list("slug"))
    with pytest.raises(CommandError, match=message):
        adopt("--from", "legacy", *args)
    assert contents("default", "legacy") == before
    assert set(Tenant.objects.values_list("slug")) == rows
    assert mark_of("default", "initrode") is None


def test_tables_of_a_tenant_are_not_taken(tenants: Any) -> None:
    """What is a tenant's already can't be made another's, by either way."""
    with pytest.raises(CommandError, match="made by this package"):
        adopt("--from", "hooli", "Initrode")
    assert adopt("--schemas", "hooli") == ["hooli: is hooli's already"]


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_schemas_become_tenants(legacy: Legacy, db: str) -> None:
    """Each is taken over where it is: its mark and foreign records alone change; a second run has nothing to do."""
    before = {}
    for schema in ("one", "two_b"):
        before[schema] = contents(db, legacy(schema, db))
    assert adopt("--schemas", "one", "two_b", "--db", db) == [
        "one: is one (one); records of platform deleted",
        "two_b: is two-b (two_b); records of platform deleted",
    ]
    for schema, slug in (("one", "one"), ("two_b", "two-b")):
        after = contents(db, schema)
        gone = set(before[schema].pop("django_migrations")) - set(after.pop("django_migrations"))
        assert (after, ["platform" in record for record in gone]) == (before[schema], [True])
        tenant = Tenant.objects.get(slug=slug)
        assert (tenant.status, mark_of(db, schema)) == ("active", Mark("tenant", str(tenant.pk)))
        assert migrated(slug) == f"{slug}: nothing to migrate"
        with tenant_context(tenant):
            assert list(User.objects.values_list("pk", "username")) == [(7, schema)]
    assert adopt("--schemas", "one", "two_b", "--db", db) == ["one: is one's already", "two_b: is two-b's already"]
    assert TenantEvent.objects.filter(kind="adopted").count() == 2


def test_a_schema_that_fails_does_not_keep_the_others(legacy: Legacy) -> None:
    """It stays as it is and is named; what was missing is done by the next run."""
    before = contents("default", legacy("one"))
    legacy("two")
    sql("default", "ALTER TABLE one.garage_tag RENAME TO lost")
    with pytest.raises(CommandError, match="Not adopted: one"):
        adopt("--schemas", "one", "two")
    assert (mark_of("default", "one"), Tenant.objects.filter(slug="one").exists()) == (None, False)
    assert Tenant.objects.get(slug="two").status == "active"
    sql("default", "ALTER TABLE one.lost RENAME TO garage_tag")
    assert contents("default", "one") == before
    assert adopt("--schemas", "one", "two") == [
        "one: is one (one); records of platform deleted",
        "two: is two's already",
    ]


def test_a_schema_that_was_marked_before_it_was_registered(legacy: Legacy) -> None:
    """What was cut off between two databases is ended: the mark says who it is."""
    legacy("one", "shard2")
    adopt("--schemas", "one", "--db", "shard2")
    owner = Tenant.objects.get(slug="one").pk
    Tenant.objects.filter(slug="one")._raw_delete("default")  # type: ignore[attr-defined]
    adopt("--schemas", "one", "--db", "shard2")
    assert Tenant.objects.get(slug="one").pk == owner


@pytest.mark.parametrize(
    ("preparation", "schema", "message"),
    [
        ("SELECT 1", "nowhere", "There is no schema default.nowhere"),
        ("SELECT 1", "registry", "the one of environment 'registry'"),
        ("SELECT 1", "acme", "belongs to another"),
        ("DROP TABLE legacy.django_migrations", "legacy", "there is no django_migrations"),
        ('ALTER SCHEMA legacy RENAME TO "Legacy"', "Legacy", "'Legacy' is not valid"),
        (
            "SELECT 1; COMMENT ON SCHEMA legacy IS 'django_schemas: environment depot; owner x'",
            "legacy",
            "belongs to another",
        ),
    ],
)
def test_refused_schemas(legacy: Legacy, capsys: Any, preparation: str, schema: str, message: str) -> None:
    """What is no tenant's, or somebody's already, is refused."""
    legacy()
    sql("default", preparation)
    out = StringIO()
    with pytest.raises(CommandError, match=f"Not adopted: {schema}"):
        call_command("tenant", "adopt", "--schemas", schema, stdout=out, stderr=out)
    assert message in out.getvalue()
    assert not Tenant.objects.filter(schema_name=schema).exists()


def test_rows_and_hosts_of_tables(legacy: Legacy) -> None:
    """Names and hosts come from the other package's tables; its public tenant is none, and a folder is no host."""
    for schema in ("one", "two"):
        legacy(schema)
    with schema_cursor("default", "registry") as cursor:
        cursor.execute("CREATE TABLE clients (id serial PRIMARY KEY, schema_name text, name text)")
        cursor.execute(
            "INSERT INTO clients (schema_name, name) VALUES ('public', 'P'), ('one', 'One Inc'), ('two', 'Two')"
        )
        cursor.execute(
            "CREATE TABLE hosts (id serial PRIMARY KEY, tenant_id int, domain text, folder text, is_primary bool, "
            "redirect_to_primary bool)"
        )
        cursor.execute(
            "INSERT INTO hosts (tenant_id, domain, folder, is_primary, redirect_to_primary) VALUES "
            "(1, 'p.test', '', true, false), (2, 'One.test', '', true, false), (2, 'www.one.test', '', false, true), "
            "(3, 'shared.test', 'two', true, false)"
        )
    tables = ["--tenant-table", "registry.clients", "--domain-table", "registry.hosts"]
    assert adopt("--schemas", *tables) == [
        "one: is one (One Inc), reached by One.test, www.one.test; records of platform deleted",
        "two: is two (Two); records of platform deleted; shared.test/two is no host",
    ]
    one = Tenant.objects.get(slug="one")
    assert list(one.domains.values_list("host", "is_primary", "redirects")) == [
        ("one.test", True, False),
        ("www.one.test", False, True),
    ]
    assert list(Tenant.objects.get(slug="two").domains.all()) == []


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_host_that_is_taken(legacy: Legacy, hooli: Tenant, db: str) -> None:
    """A schema whose host another tenant has is not taken over, not in part either."""
    before = contents(db, legacy("one", db))
    hooli.domains.create(host="one.test")
    sql(db, "CREATE TABLE public.clients AS SELECT 1 AS id, 'one' AS schema_name")
    sql(db, "CREATE TABLE public.hosts AS SELECT 1 AS id, 1 AS tenant_id, 'ONE.test.' AS domain")
    with pytest.raises(CommandError, match="Not adopted: one"):
        adopt("--schemas", "--db", db, "--tenant-table", "public.clients", "--domain-table", "public.hosts")
    assert contents(db, "one") == before
    assert (mark_of(db, "one"), Tenant.objects.filter(slug="one").exists()) == (None, False)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--schemas"], "--tenant-table"),
        (["--schemas", "one", "--domain-table", "registry.hosts"], "--domain-table means nothing"),
        (["--schemas", "one", "--slug", "x", "--table", "y"], "--slug, --table means nothing"),
        (["--from", "legacy", "One", "--tenant-table", "x.y"], "--tenant-table means nothing"),
        (["--schemas", "--tenant-table", "registry.platform_plan"], "no columns schema_name in registry.platform_plan"),
        (["--schemas", "nobody", "--tenant-table", "registry.tenancy_tenant"], "has no row for nobody"),
        (["--schemas", "--tenant-table", "clients"], r"write public\.clients"),
        (["--schemas", "--tenant-table", "public.nowhere"], r"no table public\.nowhere"),
    ],
)
def test_malformed(tenants: Any, args: list[str], message: str) -> None:
    """What is missing in the command is said."""
    with pytest.raises(CommandError, match=message):
        adopt(*args)


def test_records_of_tenants_apps_leave_the_registry(legacy: Legacy) -> None:
    """Other packages record tenants' apps in the shared schema too; those of apps that it has models of stay."""
    sql(
        "default",
        "INSERT INTO registry.django_migrations (app, name, applied) VALUES ('garage', '0001_initial', now())",
    )
    before = records("default", "registry")
    assert adopt("--schemas", legacy("one"))[-1] == "registry: records of garage deleted, which live elsewhere"
    assert records("default", "registry") == [record for record in before if record[0] != "garage"]


def test_an_adopted_tenant_is_like_any_other(legacy: Legacy) -> None:
    """It may be deleted and purged: its schema is its own now."""
    adopt("--schemas", legacy("one"))
    tenant = Tenant.objects.get(slug="one")
    call_command("tenant", "delete", "one", "--yes-really=one", stdout=StringIO())
    purge(Tenant.objects.get(slug="one"))
    assert not schema_exists("default", tenant.schema_name)

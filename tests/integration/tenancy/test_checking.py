"""`manage.py tenant check`: each fault of a schema is found, in that schema alone, and mended if that is safe."""

import json
from dataclasses import asdict
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.big_ints import widen_integers
from django_schemas.schemas import ensure_schema, schema_exists
from tenancy import tenant_context
from tenancy.checking import Checker
from tenancy.models import Tenant
from tests.apps.garage.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


_CHECKER = Checker()
"""It remembers what the schemas of a cohort should hold, which takes a scratch schema to find out."""


def check(*slugs: str, fix: bool = False) -> list[dict[str, Any]]:
    """What is found in tenants, all if none is named."""
    tenants = Tenant.objects.filter(slug__in=slugs) if slugs else Tenant.objects.all()
    _CHECKER.fix = fix
    return [asdict(finding) for finding in _CHECKER.check(tenants)]


def command(*args: str) -> list[dict[str, Any]]:
    """What the command finds; it exits with 1 if that is anything that is wrong, and was not mended."""
    out = StringIO()
    code = 0
    try:
        call_command("tenant", "check", *args, "--json", stdout=out, stderr=StringIO())
    except CommandError as error:
        code = error.returncode
    findings: list[dict[str, Any]] = json.loads(out.getvalue())
    assert code == any(not (each["note"] or each["fixed"]) for each in findings)
    return findings


def found(*slugs: str) -> list[tuple[str, str, str]]:
    return [(each["slug"], each["kind"], each["what"]) for each in check(*slugs)]


def spoil(tenant: Tenant, *statements: str) -> None:
    with connections[tenant.db].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement.replace("SCHEMA", f'"{tenant.schema_name}"'))


def index_of(tenant: Tenant) -> str:
    """Name of an index that a migration made for a foreign key."""
    with connections[tenant.db].cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND tablename = 'garage_car' "
            "AND indexdef LIKE '%%(owner_id)'",
            [tenant.schema_name],
        )
        return str(cursor.fetchone()[0])


def test_nothing_is_wrong(tenants: Any) -> None:
    """Of tenants that are as they should be nothing is said, and the exit is 0."""
    assert command() == []
    out = StringIO()
    call_command("tenant", "check", stdout=out)
    assert out.getvalue() == "3 tenants checked: 0 faults.\n"


MENDED = [
    (
        "DROP INDEX SCHEMA.INDEX",
        "missing",
        "missing index INDEX on garage_car: CREATE INDEX ON garage_car USING btree (owner_id)",
    ),
    (
        "ALTER TABLE SCHEMA.garage_badge DROP CONSTRAINT garage_badge_user_id_key",
        "missing",
        "missing constraint garage_badge_user_id_key on garage_badge: UNIQUE (user_id)",
    ),
    (
        "DELETE FROM SCHEMA.django_migrations WHERE app = 'garage' AND name = '0002_ledger'",
        "unrecorded",
        "migration garage.0002_ledger is not recorded, and what it makes is there",
    ),
    (
        "DELETE FROM SCHEMA.django_migrations WHERE app = 'garage' AND name = '0001_initial'",
        "unrecorded",
        "migration garage.0001_initial is not recorded, and what it makes is there",
    ),
    (
        "INSERT INTO SCHEMA.django_migrations (app, name, applied) VALUES ('garage', '0009_gone', now())",
        "stale",
        "migration garage.0009_gone is recorded, and the code has no such migration",
    ),
    (
        "INSERT INTO SCHEMA.django_migrations (app, name, applied) VALUES ('departed', '0001_initial', now())",
        "stale",
        "migration departed.0001_initial is recorded, and the code has no such migration",
    ),
    (
        "INSERT INTO SCHEMA.django_migrations (app, name, applied) VALUES ('platform', '0001_initial', now())",
        "stale",
        "migration platform.0001_initial is recorded, and its app has no models in this environment",
    ),
]


@pytest.mark.parametrize(("statement", "kind", "what"), MENDED)
def test_found_and_mended(vehement: Tenant, statement: str, kind: str, what: str) -> None:
    """Each is found in that tenant alone, mended by --fix, and not found again."""
    name = index_of(vehement)
    spoil(vehement, statement.replace("INDEX SCHEMA.INDEX", f"INDEX SCHEMA.{name}"))
    expected = [("vehement", kind, what.replace("INDEX on", f"{name} on"))]
    assert found() == expected
    assert [each["fixed"] for each in check("vehement", fix=True)] == [True]
    assert check() == []


LEFT = [
    ("ALTER TABLE SCHEMA.garage_tag ALTER name TYPE varchar(99)", "different",
     "column garage_tag.name is character varying(99) NOT NULL, not character varying(20) NOT NULL"),
    ("ALTER TABLE SCHEMA.garage_tag ALTER id TYPE bigint", "different",
     "column garage_tag.id is bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY, "
     "not integer NOT NULL GENERATED BY DEFAULT AS IDENTITY"),
    ("ALTER TABLE SCHEMA.garage_tag ALTER name DROP NOT NULL", "different",
     "column garage_tag.name is character varying(20) NULL, not character varying(20) NOT NULL"),
    ("ALTER TABLE SCHEMA.garage_tag ALTER name SET DEFAULT 'x'", "different",
     "column garage_tag.name is character varying(20) NOT NULL DEFAULT 'x'::character varying, "
     "not character varying(20) NOT NULL"),
    ('ALTER TABLE SCHEMA.garage_tag ALTER name TYPE varchar(20) COLLATE "C"', "different",
     'column garage_tag.name is character varying(20) COLLATE "C" NOT NULL, not character varying(20) NOT NULL'),
    ("ALTER TABLE SCHEMA.garage_tag ALTER id DROP IDENTITY", "different", None),
    ("CREATE TABLE SCHEMA.garage_stray (id int PRIMARY KEY)", "extra", "extra table garage_stray: table"),
    ("ALTER TABLE SCHEMA.garage_tag ADD stray int", "extra", "extra column garage_tag.stray: integer NULL"),
    ("ALTER TABLE SCHEMA.garage_tag DROP name", "missing",
     "missing column garage_tag.name: character varying(20) NOT NULL"),
    ("DROP TABLE SCHEMA.garage_car_tags", "missing", "missing table garage_car_tags: table"),
    ("CREATE SEQUENCE SCHEMA.garage_stray", "extra",
     "extra sequence garage_stray: bigint from 1 by 1, 1 to 9223372036854775807"),
    ("CREATE VIEW SCHEMA.garage_stray AS SELECT 1 AS one", "extra", "extra view garage_stray:  SELECT 1 AS one;"),
    ("CREATE INDEX stray ON SCHEMA.garage_tag (name)", "extra",
     "extra index stray on garage_tag: CREATE INDEX ON garage_tag USING btree (name)"),
    ("COMMENT ON TABLE SCHEMA.garage_tag IS 'x'", "comment", "table garage_tag has the comment 'x', not ''"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "kind", "what"), LEFT)
def test_found_and_left(vehement: Tenant, statement: str, kind: str, what: str | None) -> None:
    """What could lose data is told, with what to do, and left alone."""
    spoil(vehement, statement)
    before = check()
    assert [(each["slug"], each["place"], each["kind"]) for each in before][:1] == [
        ("vehement", "default.vehement", kind)
    ]
    if what is not None:
        assert [each["what"] for each in before] == [what]
    assert all(each["mend"] for each in before)
    assert check(fix=True) == before


def test_another_name_is_a_note(vehement: Tenant) -> None:
    """An index under another name makes no difference: it is told, and the exit is 0."""
    name = index_of(vehement)
    spoil(vehement, f"ALTER INDEX SCHEMA.{name} RENAME TO other")
    out = StringIO()
    call_command("tenant", "check", "vehement", stdout=out)
    assert f"index {name} on garage_car is called other" in out.getvalue()


def test_behind(vehement: Tenant) -> None:
    """A schema that is behind is compared with what its own migrations make, and told to be migrated."""
    call_command(
        "migrate_schema", "default", "garage", "0001", "--environment", "tenant", "--schema", "vehement", "-v0"
    )
    assert found() == [("vehement", "behind", "1 migrations are not applied: garage.0002_ledger")]
    spoil(vehement, "ALTER TABLE SCHEMA.garage_tag ADD stray int")
    assert [kind for _, kind, _ in found("vehement")] == ["behind", "extra"]


def test_records_of_a_newer_release_stay(vehement: Tenant) -> None:
    """A record that the code does not know is kept where there also are columns that it does not know."""
    spoil(
        vehement,
        "ALTER TABLE SCHEMA.garage_tag ADD newer int",
        "INSERT INTO SCHEMA.django_migrations (app, name, applied) VALUES ('garage', '0003_newer', now())",
    )
    assert [(each["kind"], each["fixed"]) for each in check(fix=True)] == [("stale", False), ("extra", False)]


def test_late_sequence(vehement: Tenant) -> None:
    """A sequence that rows were inserted past is set forward."""
    with tenant_context(vehement):
        top = Tag.objects.create(pk=5000, name="x", witness="vehement").pk
        assert found() == [
            ("vehement", "sequence", f"sequence garage_tag_id_seq is behind garage_tag.id, which holds {top}")
        ]
        assert [each["fixed"] for each in check(fix=True)] == [True]
        assert Tag.objects.create(name="y", witness="vehement").pk == top + 1
    assert check() == []


def test_widened_schemas(vehement: Tenant) -> None:
    """A schema whose integers were all widened is as it should be."""
    widen_integers(vehement.alias)
    assert check() == []


def test_duplicates_are_not_mended(vehement: Tenant) -> None:
    """What can't be made for the rows that are there is told, and the rest is mended."""
    name = index_of(vehement)
    spoil(
        vehement, f"DROP INDEX SCHEMA.{name}", "ALTER TABLE SCHEMA.garage_tag DROP CONSTRAINT garage_tag_pkey CASCADE"
    )
    with tenant_context(vehement):
        tag = Tag.objects.create(name="x", witness="vehement")
        Tag.objects.bulk_create([Tag(pk=tag.pk, name="y", witness="vehement")])
    fixed = {each["what"].split(":")[0]: (each["fixed"], "duplicate" in each["mend"]) for each in check(fix=True)}
    assert fixed[f"missing index {name} on garage_car"] == (True, False)
    assert fixed["missing constraint garage_tag_pkey on garage_tag"] == (False, True)


def test_debris(vehement: Tenant, hooli: Tenant) -> None:
    """Schemas of tenants that are not there, of scratches and of elsewhere are told when all are checked."""
    other = "00000000-0000-0000-0000-000000000000"
    for schema, owner in (("orphan", other), ("elsewhere", str(hooli.pk)), ("_moved_1", str(hooli.pk))):
        alias = type(vehement.alias)("shard2", schema, "tenant")
        ensure_schema(alias, owner=owner)
    assert [(each["slug"], each["place"], each["what"]) for each in command()] == [
        ("hooli", "shard2.elsewhere", "is marked as hooli's, which lives in default.hooli"),
        ("", "shard2.orphan", f"is marked as that of tenant {other}, and there is none"),
    ]
    assert command("--all", "--db", "shard2") == []
    assert schema_exists("shard2", "orphan")


def test_tenants_that_are_not_whole(vehement: Tenant, hooli: Tenant, umbrella: Tenant) -> None:
    """A missing schema, failures and work that nobody does are told, with the command that helps."""
    Tenant.objects.filter(slug="hooli").update(schema_name="nowhere")
    Tenant.objects.filter(slug="vehement").update(work={"kind": "move"})
    Tenant.objects.filter(slug="umbrella").update(status="failed", status_reason="disk full")
    told = {
        each["slug"]: (each["kind"], each["what"], each["mend"]) for each in command("hooli", "vehement", "umbrella")
    }
    assert told == {
        "hooli": ("missing", "its schema is missing", "restore it from a backup, or delete and purge the tenant"),
        "vehement": ("work", "nobody goes on with its move", "manage.py tenant resume-work vehement"),
        "umbrella": ("failed", "disk full", "manage.py tenant provision umbrella"),
    }


def test_the_command_mends(vehement: Tenant) -> None:
    """`--fix` tells what it mended; what is left makes the exit 1."""
    spoil(vehement, f"DROP INDEX SCHEMA.{index_of(vehement)}", "CREATE TABLE SCHEMA.garage_stray (id int)")
    assert [(each["kind"], each["fixed"]) for each in command("vehement", "--fix")] == [
        ("missing", True),
        ("extra", False),
    ]
    out = StringIO()
    with pytest.raises(CommandError, match="1 faults were found"):
        call_command("tenant", "check", "vehement", stdout=out)
    assert "vehement (default.vehement): extra table garage_stray" in out.getvalue()


def test_statements(tenants: Any, sent: Any) -> None:
    """A schema costs four statements, and those of the transaction that they are in."""
    check()
    counts = []
    for slugs in (["hooli"], ["hooli", "vehement"]):
        with sent() as statements:
            check(*slugs)
        counts.append(len([sql for sql in statements if "SAVEPOINT" not in sql and "search_path" not in sql]))
    # The catalog, the sequences, and how far these are; the digests of all are one statement.
    assert counts[1] - counts[0] == 3

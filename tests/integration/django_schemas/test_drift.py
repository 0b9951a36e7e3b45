"""Drift: what was changed behind the migrations' back is found, in the schema where it was, and in no other."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connections, transaction

from django_schemas.big_ints import widen_integers
from django_schemas.drift import Finding, find_drift, mend
from django_schemas.environments import alias_for
from django_schemas.making import SCRATCH
from django_schemas.migrations import migrate
from django_schemas.schemas import schemas_of
from tests.apps.garage.witness import Place

Ledger = import_module("tests.apps.garage.migrations.0002_ledger").Migration

SESSION_INDEX = "django_session.django_session_expire_date_a5c62663"

pytestmark = pytest.mark.django_db(databases="__all__")


def run(sql: str, schema: str = "acme") -> None:
    with transaction.atomic("default"), connections["default"].cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path TO {schema}")
        cursor.execute(sql)
        cursor.execute("SET LOCAL search_path TO DEFAULT")


def drift() -> dict[str, list[tuple[str, str]]]:
    """Kind and subject of what is found in acme and globex."""
    found = find_drift("default", "tenant", ["acme", "globex"])
    return {schema: [(finding.kind, finding.subject) for finding in findings] for schema, findings in found.items()}


@pytest.fixture
def both(acme: Place, globex: Place) -> None:
    """Two schemas whose sequences are where their rows are: the fixtures' rows were numbered by hand."""
    for place in (acme, globex):
        findings = find_drift("default", "tenant", [place.schema])[place.schema]
        assert {finding.kind for finding in findings} <= {"sequence"}
        assert [error for _, error in mend("default", place.schema, findings)] == [None] * len(findings)


def test_nothing(both: None) -> None:
    """Schemas as migrations made them have none, though each has another name, and nothing is left of the comparing."""
    assert drift() == {"acme": [], "globex": []}
    assert [schema for schema in schemas_of("default", "tenant") if schema.startswith(SCRATCH)] == []


CHANGES = (
    ("DROP TABLE garage_note", ("missing", "table garage_note")),
    ("CREATE TABLE stray (id int PRIMARY KEY)", ("extra", "table stray")),
    ("ALTER TABLE garage_owner ADD COLUMN stray int", ("extra", "column garage_owner.stray")),
    ("ALTER TABLE garage_truck DROP COLUMN payload", ("missing", "column garage_truck.payload")),
    ("ALTER TABLE garage_owner ALTER name TYPE varchar(500)", ("different", "column garage_owner.name")),
    ("ALTER TABLE garage_tag ALTER name DROP NOT NULL", ("different", "column garage_tag.name")),
    ("ALTER TABLE auth_group ALTER name SET DEFAULT 'x'", ("different", "column auth_group.name")),
    ("ALTER TABLE garage_owner ALTER id SET GENERATED ALWAYS", ("different", "column garage_owner.id")),
    ("COMMENT ON COLUMN auth_user.email IS 'x'", ("different", "column auth_user.email")),
    ("COMMENT ON TABLE garage_owner IS 'x'", ("different", "table garage_owner")),
    ("CREATE INDEX stray_index ON garage_owner (name)", ("extra", "index garage_owner.stray_index")),
    ("CREATE VIEW view_of_nothing AS SELECT 1 AS one", ("extra", "view view_of_nothing")),
    ("CREATE TYPE mood AS ENUM ('a')", ("extra", "type mood")),
    ("CREATE COLLATION caseless (locale = 'C')", ("extra", "collation caseless")),
    ("CREATE SEQUENCE numbers", ("extra", "sequence numbers")),
    ("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", ("extra", "function one()")),
    ("ALTER SEQUENCE garage_car_id_seq INCREMENT 2", ("different", "sequence garage_car.garage_car_id_seq")),
    ("ALTER TABLE django_session SET UNLOGGED", ("different", "table django_session")),
    (
        "CREATE TRIGGER stray BEFORE UPDATE ON garage_owner FOR EACH ROW "
        "EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        ("extra", "trigger garage_owner.stray"),
    ),
    ("ALTER TABLE garage_owner ADD CONSTRAINT stray CHECK (id > 0)", ("extra", "constraint garage_owner.stray")),
    (
        "ALTER TABLE auth_group RENAME CONSTRAINT auth_group_name_key TO other",
        ("renamed", "constraint auth_group.auth_group_name_key"),
    ),
    ("ALTER INDEX django_session_expire_date_a5c62663 RENAME TO other_index", ("renamed", f"index {SESSION_INDEX}")),
    (
        "INSERT INTO django_migrations (app, name, applied) VALUES ('garage', '0999_stray', now())",
        ("stale", "record garage.0999_stray"),
    ),
    (
        "INSERT INTO django_migrations (app, name, applied) VALUES ('platform', '0001_initial', now())",
        ("stale", "record platform.0001_initial"),
    ),
)


def test_each_change_is_found(both: None) -> None:
    """One finding for each change, whatever it is, and none for the neighbour."""
    for sql, _ in CHANGES:
        run(sql)
    found = drift()
    assert sorted(found["acme"]) == sorted(expected for _, expected in CHANGES)
    assert found["globex"] == []


def one_foreign_key(schema: str) -> tuple[str, str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'f' ORDER BY 1 LIMIT 1",
            [f"{schema}.garage_car"],
        )
        return "garage_car", cursor.fetchone()[0]


def test_indexes_constraints_records_and_sequences_are_mended(both: None) -> None:
    """What was dropped is made again by the very statement of its migration, and nothing is found afterwards."""
    table, constraint = one_foreign_key("acme")
    run(f'ALTER TABLE {table} DROP CONSTRAINT "{constraint}"')
    run("DROP INDEX django_session_expire_date_a5c62663")
    run("INSERT INTO django_migrations (app, name, applied) VALUES ('garage', '0999_stray', now())")
    run("SELECT setval('garage_owner_id_seq', 1, false)")
    findings = find_drift("default", "tenant", ["acme"])["acme"]
    assert {(finding.kind, finding.subject) for finding in findings} == {
        ("missing", f"constraint {table}.{constraint}"),
        ("missing", f"index {SESSION_INDEX}"),
        ("stale", "record garage.0999_stray"),
        ("sequence", "sequence garage_owner.garage_owner_id_seq"),
    }
    assert [error for _, error in mend("default", "acme", findings)] == [None] * 4
    assert drift() == {"acme": [], "globex": []}


def test_what_could_lose_data_is_left(both: None) -> None:
    """Tables and columns are neither dropped nor made."""
    run("CREATE TABLE stray (id int)")
    run("ALTER TABLE garage_truck DROP COLUMN payload")
    findings = find_drift("default", "tenant", ["acme"])["acme"]
    assert list(mend("default", "acme", findings)) == []
    assert len(findings) == 2


def test_a_schema_that_is_behind_is_compared_with_where_it_is(both: None) -> None:
    """Migrations that are not there yet are told, once; what they would make is not missing."""
    migrate("default", schema="behind", environment="tenant")
    run("DROP TABLE django_admin_log", "behind")
    run("DELETE FROM django_migrations WHERE app = 'admin'", "behind")
    (finding,) = find_drift("default", "tenant", ["behind"])["behind"]
    assert finding == Finding(
        "behind",
        "3 migrations",
        "admin.0001_initial, admin.0002_logentry_remove_auto_add, admin.0003_logentry_add_action_flag_choices",
        "Migrate it.",
    )


def test_gap_in_the_records(both: None) -> None:
    """Records that no migrating could have left are told; nothing is compared but what the newest would make."""
    run("DELETE FROM django_migrations WHERE app = 'auth' AND name = '0001_initial'")
    run("ALTER TABLE garage_owner ADD COLUMN stray int")
    ((kind, _),) = drift()["acme"]
    assert kind == "history"


@pytest.mark.parametrize(("app", "name"), [("auth", "0001_initial"), ("sessions", "0001_initial")])
def test_lost_record(both: None, app: str, name: str) -> None:
    """A record is lost where all that its migration makes is there: it is told, and recorded again."""
    run(f"DELETE FROM django_migrations WHERE app = '{app}' AND name = '{name}'")
    assert drift() == {"acme": [("unrecorded", f"record {app}.{name}")], "globex": []}
    findings = find_drift("default", "tenant", ["acme"])["acme"]
    assert [error for _, error in mend("default", "acme", findings)] == [None]
    assert drift()["acme"] == []


def test_lost_record_of_rows(both: None) -> None:
    """Whether a migration changed rows no catalog tells: its record is not made again."""
    run("DELETE FROM django_migrations WHERE app = 'contenttypes' AND name = '0002_remove_content_type_name'")
    (finding,) = find_drift("default", "tenant", ["acme"])["acme"]
    assert (finding.kind, finding.statement) == ("unrecorded", None)


def test_record_of_a_newer_release(both: None) -> None:
    """A record that the code does not know stays while there are things that the code does not know."""
    run("INSERT INTO django_migrations (app, name, applied) VALUES ('garage', '0999_newer', now())")
    run("ALTER TABLE garage_owner ADD COLUMN newer int")
    findings = find_drift("default", "tenant", ["acme"])["acme"]
    assert [(finding.kind, finding.statement) for finding in findings] == [("stale", None), ("extra", None)]


def test_records_of_what_was_squashed(both: None, monkeypatch: Any) -> None:
    """The records that a squashed migration stands for are not stale, though their files are gone."""
    monkeypatch.setattr(Ledger, "replaces", [("garage", "0002_old"), ("garage", "0003_old")])
    run("UPDATE django_migrations SET name = '0002_old' WHERE app = 'garage' AND name = '0002_ledger'")
    run("INSERT INTO django_migrations (app, name, applied) VALUES ('garage', '0003_old', now())")
    assert drift()["acme"] == []


def test_widened_integers(both: None) -> None:
    """A schema whose integers were all widened is as it should be; one with some is not."""
    widen_integers(alias_for("default", "acme", ("tenant",)))
    assert drift() == {"acme": [], "globex": []}
    run("ALTER TABLE garage_owner ALTER id TYPE integer")
    assert ("different", "column garage_owner.id") not in drift()["acme"]
    assert ("different", "column garage_car.id") in drift()["acme"]


def test_what_can_not_be_mended(both: None) -> None:
    """The error is told, and not raised."""
    run("DROP INDEX django_session_expire_date_a5c62663")
    run("ALTER TABLE django_session RENAME COLUMN expire_date TO other")
    findings = find_drift("default", "tenant", ["acme"])["acme"]
    ((finding, error),) = mend("default", "acme", findings)
    assert finding.subject == f"index {SESSION_INDEX}"
    assert "expire_date" in str(error)


def test_statements_do_not_grow(both: None, sent: Any) -> None:
    """A schema more is one statement more, which looks at its sequences."""
    counts = []
    for schemas in (["acme"], ["acme", "globex"]):
        with sent() as statements:
            find_drift("default", "tenant", schemas)
        counts.append(len(statements))
    assert counts[1] == counts[0] + 1

"""Folding: what a history of migrations made is made at once, and is the same to the last name, or is not folded."""

import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import connections, transaction

from django_schemas import folding, making
from django_schemas.catalog import read_catalogs
from django_schemas.environments import alias_for
from django_schemas.folding import folded
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.schemas import schemas_of
from django_schemas.shelf import shelf

Ledger = import_module("tests.apps.garage.migrations.0002_ledger").Migration

pytestmark = pytest.mark.django_db(databases="__all__")

ALTERED = """
    from django.db.models.functions import Lower, Now

    class Migration(migrations.Migration):
        operations = [
            migrations.CreateModel("Wheel", [
                ("id", models.AutoField(primary_key=True)),
                ("rim", models.SmallIntegerField(default=1)),
                ("spare", models.CharField(max_length=5, unique=True)),
            ]),
            migrations.CreateModel("Hub", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddField("wheel", "hub", models.ForeignKey("garage.hub", models.CASCADE, null=True)),
            migrations.AddField("wheel", "made_at", models.DateTimeField(db_default=Now())),
            migrations.AddField("wheel", "label", models.TextField(default="it's", db_comment="it's")),
            migrations.AddField("wheel", "small", models.GeneratedField(
                expression=Lower("spare"), output_field=models.CharField(max_length=5), db_persist=True,
            )),
            migrations.AlterField("wheel", "id", models.BigAutoField(primary_key=True)),
            migrations.AlterField("wheel", "label", models.SlugField(max_length=70, default="", db_collation="C")),
            migrations.AddField("wheel", "hubs", models.ManyToManyField("garage.hub", related_name="wheels")),
            migrations.AddIndex("wheel", models.Index(
                Lower("label"), name="by_label", condition=models.Q(rim__gt=3), include=["rim"],
            )),
            migrations.AddConstraint("wheel", models.UniqueConstraint(
                fields=["rim", "label"], name="once", deferrable=models.Deferrable.DEFERRED,
            )),
            migrations.AddConstraint("wheel", models.CheckConstraint(condition=models.Q(rim__gt=0), name="positive")),
            migrations.AlterModelTableComment("wheel", "round; mostly"),
            migrations.RenameField("wheel", "rim", "size"),
            migrations.RenameModel("Wheel", "Tyre"),
        ]
"""
CONTRIB = """
    from django.contrib.postgres.constraints import ExclusionConstraint
    from django.contrib.postgres.fields import IntegerRangeField, RangeOperators
    from django.contrib.postgres.operations import AddConstraintNotValid, CreateCollation

    class Migration(migrations.Migration):
        operations = [
            CreateCollation("plain", "C"),
            migrations.CreateModel("Slot", [
                ("id", models.BigAutoField(primary_key=True)),
                ("hours", IntegerRangeField()),
                ("name", models.CharField(max_length=9, db_collation="plain")),
            ]),
            migrations.AddConstraint("slot", ExclusionConstraint(
                name="apart", expressions=[("hours", RangeOperators.OVERLAPS)],
            )),
            AddConstraintNotValid("slot", models.CheckConstraint(condition=~models.Q(name=""), name="named")),
        ]
"""
SQL = """
    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("tag", "before", models.IntegerField(default=1)),
            migrations.RunSQL("INSERT INTO garage_tag (name, witness, before) VALUES ('by hand', '', 2)"),
            migrations.AddField("tag", "behind", models.IntegerField(default=3)),
        ]
"""


@pytest.fixture(autouse=True)
def _none_known(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Begin as a process does; keep nothing. The garage's own SQL is left out: it would end what folds."""
    monkeypatch.setattr(Ledger, "operations", [])
    monkeypatch.setattr(making, "_known", {})
    monkeypatch.setattr(shelf, "_store", None)
    caplog.set_level(logging.INFO, folding.__name__)


def make(schema: str) -> str:
    """Make a schema; return the first script of the blueprint that there is then."""
    migrate_target(target_of(alias_for("default", schema, ("tenant",))))
    (beginning,) = making._known.values()
    assert beginning.blueprint is not None
    return next(part.sql for part in beginning.blueprint if part.kind == "script")


@pytest.mark.parametrize("sources", [{"_0003_altered": ALTERED}, {"_0003_contrib": CONTRIB}])
def test_history_is_gone(write_migrations: Any, sources: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Of each table one statement is left, which makes it as it ends up; it is what migrations make."""
    write_migrations(**sources)
    script = make("made_long")
    assert caplog.messages == []
    make("made_by_it")
    catalogs = read_catalogs("default", ["made_long", "made_by_it"])
    assert catalogs["made_long"] == catalogs["made_by_it"]
    statements = script.split("\n;\n")
    assert not [each for each in statements if "COLUMN" in each and not each.startswith("COMMENT")]
    assert not [each for each in statements if " RENAME " in each]
    made = [each.split('"')[1] for each in statements if each.startswith("CREATE TABLE")]
    assert len(made) == len(set(made))
    # Its app comes behind one that writes rows.
    assert {item.table for item in catalogs["made_long"] if item.kind == "table"}.difference(made) == {"django_site"}
    assert len([each for each in statements if "INSERT INTO django_migrations" in each]) == 1


def test_by_hand(write_migrations: Any) -> None:
    """SQL of the project's own finds what it found in migrations: folded is what comes before it."""
    write_migrations(_0003_sql=SQL)
    script = make("made_long")
    folds, _, rest = script.partition("INSERT INTO garage_tag")
    assert "before" in folds
    assert "behind" not in folds
    assert "ADD COLUMN" in rest
    make("made_by_it")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT before, behind FROM made_by_it.garage_tag")
        assert cursor.fetchall() == [(2, 3)]


def without(kind: str) -> Callable[..., Iterator[str]]:
    """What writes statements, and forgets those that begin so."""
    whole = folding._statements

    def written(*args: Any) -> Iterator[str]:
        return (sql for sql in whole(*args) if not sql.startswith(kind))

    return written


@pytest.mark.parametrize("kind", ["CREATE INDEX", "CREATE UNIQUE INDEX", "ALTER TABLE", "COMMENT"])
def test_compared(
    kind: str, write_migrations: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If what is folded made anything else, migrations are replayed, and a line in the log says what differs."""
    write_migrations(_0003_altered=ALTERED.replace("deferrable=models.Deferrable.DEFERRED", "condition=models.Q(id=1)"))
    monkeypatch.setattr(folding, "_statements", without(kind))
    script = make("made_long")
    assert "ADD COLUMN" in script
    (message,) = caplog.messages
    assert message.startswith("The migrations of environment tenant are replayed, not folded: ")
    make("made_by_it")
    catalogs = read_catalogs("default", ["made_long", "made_by_it"])
    assert catalogs["made_long"] == catalogs["made_by_it"]


DIFFERENT = [
    ("CREATE TABLE one (a int, b int)", "CREATE TABLE one (b int, a int)"),
    ("CREATE TABLE one (a text)", "CREATE TABLE one (a text STORAGE PLAIN)"),
    ("CREATE TABLE one (a text)", "CREATE TABLE one (a text) WITH (fillfactor = 50)"),
    ("CREATE TABLE one (a text)", "CREATE UNLOGGED TABLE one (a text)"),
    ("CREATE TABLE one (a int)", "CREATE TABLE one (a int GENERATED BY DEFAULT AS IDENTITY (START 5))"),
    ("CREATE TABLE one (a int UNIQUE)", "CREATE TABLE one (a int UNIQUE DEFERRABLE)"),
    ("CREATE TABLE one (a int)", "CREATE TABLE one (a int); ALTER TABLE one ENABLE ROW LEVEL SECURITY"),
    (
        "CREATE TABLE one (a int)",
        "CREATE TABLE one (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    ("CREATE TABLE one (a int)", "CREATE TABLE one (a int); CREATE STATISTICS s ON a, (a + 1) FROM one"),
    ("CREATE TABLE one (a int)", "CREATE TABLE one (a int); COMMENT ON TABLE one IS 'one'"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_counts(one: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order, storage, options, order of columns, comments: all that there is."""
    target = target_of(alias_for("default", "nobody", ("tenant",)))
    monkeypatch.setattr(folding, "_statements", lambda *args: [other])
    assert folded(target, [one], []) == [one]
    monkeypatch.setattr(folding, "_statements", lambda *args: [f"{one} "])
    assert folded(target, [one], []) == [f"{one} "]


def test_broken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the database's costs nothing: the transaction goes on, no schema is left."""
    target = target_of(alias_for("default", "nobody", ("tenant",)))
    monkeypatch.setattr(folding, "_statements", lambda *args: ["CREATE TABLE broken"])
    with transaction.atomic("default"):
        assert folded(target, ["CREATE TABLE one (a int)"], []) == ["CREATE TABLE one (a int)"]
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path')")
            assert folding.SCRATCH not in cursor.fetchone()[0]
    assert "syntax error" in caplog.messages[0]
    assert not [schema for schema in schemas_of("default", "tenant") if schema.startswith(folding.SCRATCH)]

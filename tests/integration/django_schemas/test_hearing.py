"""Hearing: the third schema of a fleet is sent what the first two were, if that follows from the migration alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from django_schemas.alias import SchemaAlias
from django_schemas.catalog import read_catalogs
from django_schemas.fleet import migrate_fleet
from tests.integration.django_schemas.fleets import brought, states, tiny
from tests.integration.django_schemas.test_fleet_committed import hosted, locking, reading, write

__all__ = ["hosted", "write"]

pytestmark = [
    pytest.mark.usefixtures("hosted"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

Write = Callable[..., str]

FIELDS = """
    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("Crate", "fresh", models.IntegerField(default=1), preserve_default=False),
            migrations.AddField("Crate", "size", models.IntegerField(unique=True, null=True)),
            migrations.AddIndex("Crate", models.Index(fields=["label"], name="by_label")),
            migrations.RunSQL("UPDATE crates_crate SET label = '100%' -- all"),
            migrations.AlterModelOptions("Crate", {"ordering": ["id"]}),
        ]
"""
MODEL = FIELDS.replace(
    "operations = [",
    'operations = [migrations.CreateModel("Lid", [("id", models.BigAutoField(primary_key=True))]),',
)
OPTIONS = """
    class Migration(migrations.Migration):
        operations = [migrations.AlterModelOptions("Crate", {"ordering": ["label"]})]
"""
UNIQUE = """
    class Migration(migrations.Migration):
        operations = [migrations.AlterField("Crate", "label", models.CharField(max_length=20, unique=True))]
"""
NOT_UNIQUE = """
    class Migration(migrations.Migration):
        operations = [migrations.AlterField("Crate", "label", models.CharField(max_length=20))]
"""
OWN_VALUES = """
    import uuid

    class Migration(migrations.Migration):
        operations = [migrations.AddField("Crate", "token", models.UUIDField(default=uuid.uuid4))]
"""
NOW = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Crate", "seen", models.DateTimeField(auto_now=True), preserve_default=False)]
"""
BY_PLACE = """
    from django_schemas import active_placement

    class Sized(models.TextField):
        def db_type(self, connection):
            return f"varchar({active_placement('crates').schema[-1]}0)"

    class Migration(migrations.Migration):
        operations = [migrations.AddField("Crate", "sized", Sized(null=True))]
"""


def filled(number: int) -> list[SchemaAlias]:
    """Tiny schemas with a row in each."""
    aliases = tiny("default", number)
    with connections["default"].cursor() as cursor:
        for alias in aliases:
            cursor.execute(f'INSERT INTO "{alias.schema}".crates_crate (label) VALUES (%s)', ["old"])
    return aliases


@pytest.mark.parametrize("source", [FIELDS, MODEL])
def test_sent_at_once(source: str, write: Write, sent: Any) -> None:
    """What was made by many statements is made by one, and is the same; if there are models to be announced, its lock
    and its record are statements of their own.
    """
    write(_0003_fields=source)
    aliases = filled(4)
    with sent() as statements:
        assert set(states(brought(aliases)).values()) == {"migrated"}
    scripts = [sql for sql in statements if 'ADD COLUMN "fresh"' in sql]
    assert [sql.count("ADD COLUMN") for sql in scripts] == [1, 1, 2, 2]
    assert ["INSERT INTO" in sql for sql in scripts[2:]] == [source == FIELDS] * 2
    catalogs = read_catalogs("default", [alias.schema for alias in aliases])
    assert catalogs["tiny1"] == catalogs["tiny2"] == catalogs["tiny3"] == catalogs["tiny4"]
    with connections["default"].cursor() as cursor:
        for alias in aliases:
            cursor.execute(f'SELECT label, fresh FROM "{alias.schema}".crates_crate')
            assert cursor.fetchall() == [("100%", 1)]
            cursor.execute(f'SELECT count(*) FROM "{alias.schema}".django_migrations')
            assert cursor.fetchone() == (3,)


def test_nothing_to_send(write: Write) -> None:
    """A migration of the state alone is recorded."""
    write(_0003_options=OPTIONS)
    assert set(states(brought(tiny("default", 3))).values()) == {"migrated"}
    assert set(states(brought(tiny("default", 3, first=4))).values()) == {"migrated"}


def test_each_database_for_itself(write: Write, sent: Any) -> None:
    """What was heard in one is not sent in another, whose PostgreSQL may be another."""
    write(_0003_fields=FIELDS)
    with sent() as statements:
        assert set(states(brought([*tiny("default", 3), *tiny("shard2", 1, first=7)])).values()) == {"migrated"}
    assert sorted(sql.count("ADD COLUMN") for sql in statements if 'ADD COLUMN "fresh"' in sql) == [1, 1, 1, 2]


def test_names_that_differ(write: Write) -> None:
    """An operation that looks for a constraint finds that of each schema, whatever it is called there."""
    write(_0003_unique=UNIQUE, _0004_not_unique=NOT_UNIQUE)
    aliases = tiny("default", 5)
    assert set(states(brought(aliases, [("crates", "0003_unique")])).values()) == {"migrated"}
    with connections["default"].cursor() as cursor:
        for alias in aliases[2:]:
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE contype = 'u' AND conrelid = %s::regclass",
                [f"{alias.schema}.crates_crate"],
            )
            (name,) = cursor.fetchone()
            cursor.execute(f'ALTER TABLE {alias.schema}.crates_crate RENAME CONSTRAINT "{name}" TO its_{alias.schema}')
    assert set(states(brought(aliases)).values()) == {"migrated"}
    catalogs = read_catalogs("default", [alias.schema for alias in aliases])
    kinds = [item.kind for catalog in catalogs.values() for item in catalog if item.table == "crates_crate"]
    assert set(kinds) == {"table", "column", "sequence"}


@pytest.mark.parametrize(("source", "column"), [(OWN_VALUES, "token"), (NOW, "seen")])
def test_values_of_its_own(source: str, column: str, write: Write) -> None:
    """A default that is computed is computed in each schema."""
    write(_0003_values=source)
    aliases = filled(5)
    assert set(states(brought(aliases)).values()) == {"migrated"}
    with connections["default"].cursor() as cursor:
        found = set()
        for alias in aliases:
            cursor.execute(f'SELECT {column} FROM "{alias.schema}".crates_crate')
            found.update(cursor.fetchall())
    assert len(found) == 5


def test_what_differs_is_not_sent(write: Write) -> None:
    """If the first two were sent different things, each is sent its own."""
    write(_0003_sized=BY_PLACE)
    aliases = tiny("default", 4)
    assert set(states(brought(aliases)).values()) == {"migrated"}
    catalogs = read_catalogs("default", [alias.schema for alias in aliases])
    sizes = [sql for catalog in catalogs.values() for item, sql in catalog.items() if item.name == "sized"]
    assert sizes == [f"character varying({number}0) null" for number in (1, 2, 3, 4)]


def test_failure_of_one(write: Write) -> None:
    """A schema that is not as it should be fails, and has nothing of it; those behind it go on."""
    write(_0003_fields=FIELDS)
    aliases = filled(5)
    with connections["default"].cursor() as cursor:
        cursor.execute("ALTER TABLE tiny4.crates_crate ADD COLUMN size int")
    outcomes = brought(aliases)
    assert states(outcomes) == {f"tiny{number}": "failed" if number == 4 else "migrated" for number in range(1, 6)}
    assert 'column "size" of relation "crates_crate" already exists' in outcomes["tiny4"].error
    catalog = read_catalogs("default", ["tiny4"])["tiny4"]
    assert not [item for item in catalog if item.name == "fresh"]


MEANWHILE = {
    "done": ("INSERT INTO {} (app, name, applied) VALUES ('crates', '0003_fields', now())", "current", ""),
    "taken back": ("DELETE FROM {} WHERE name = '0002_first_crate'", "failed", "taken back by another process"),
    "another": ("INSERT INTO {} (app, name, applied) VALUES ('other', '0001_initial', now())", "migrated", ""),
}


@pytest.mark.parametrize(("sql", "state", "error"), MEANWHILE.values(), ids=MEANWHILE)
def test_recorded_meanwhile(sql: str, state: str, error: str, write: Write) -> None:
    """What another process did to a schema since it was looked at is found out before anything is sent."""
    write(_0003_fields=FIELDS)
    aliases = filled(4)
    run = migrate_fleet(aliases)
    assert [next(run).state, next(run).state] == ["migrated", "migrated"]
    with connections["default"].cursor() as cursor:
        cursor.execute(sql.format("tiny4.django_migrations"))
    (_, last) = run
    assert last.state == state
    assert error in last.error
    # The connection of a schema that fails may be closed.
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tiny4.django_migrations WHERE app = 'crates'")
        assert cursor.fetchone() == (1 if state == "failed" else 3,)
    fresh = [item for item in read_catalogs("default", ["tiny4"])["tiny4"] if item.name == "fresh"]
    assert bool(fresh) is (state == "migrated")


def test_locked(write: Write) -> None:
    """A schema that another process works on is told as locked; what another table's user holds up, too."""
    write(_0003_fields=FIELDS)
    aliases = filled(5)
    with locking(aliases[2]), reading(aliases[3]):
        outcomes = brought(aliases, lock_timeout="50ms", retry_for_s=0)
    assert states(outcomes) == {
        "tiny1": "migrated",
        "tiny2": "migrated",
        "tiny3": "locked",
        "tiny4": "locked",
        "tiny5": "migrated",
    }
    assert "holds a lock on a table" in outcomes["tiny4"].error
    assert set(states(brought(aliases)).values()) == {"migrated", "current"}


def test_user_of_a_table_waits_once(write: Write, sent: Any) -> None:
    """Where a lock was not had it is not asked for again at once, step by step."""
    write(_0003_fields=FIELDS)
    aliases = filled(3)
    with reading(aliases[2]), sent() as statements:
        assert states(brought(aliases, lock_timeout="50ms", retry_for_s=0))["tiny3"] == "locked"
    assert len([sql for sql in statements if 'ADD COLUMN "fresh"' in sql]) == 3

"""Rows are copied from one schema to another, in one database and between two."""

import importlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from textwrap import dedent
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from django_schemas import schema_context, schema_cursor, streams
from django_schemas.alias import SchemaAlias
from django_schemas.digests import digests_of
from django_schemas.exceptions import SchemaExists, SchemasError
from django_schemas.inventory import inventory_of
from django_schemas.migrations import migrate
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.rows import copy_rows, make_empty, make_like, records_of
from django_schemas.schemas import mark_of, schema_exists
from django_schemas.snapshots import snapshot
from tests.apps.garage.models import Owner, Tag
from tests.apps.garage.witness import make_place

pytestmark = pytest.mark.usefixtures("committed")

SOURCE = SchemaAlias("default", "workshop", "tenant")
TARGETS = [SchemaAlias("default", "workshop_copy", "tenant"), SchemaAlias("shard2", "workshop_copy", "tenant")]


def drop(name: str) -> None:
    for db in ("default", "shard2"):
        with connections[db].cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def source(committed: None) -> Iterator[SchemaAlias]:
    """A schema with rows; it and its copies are dropped behind the test."""
    make_place("default", "workshop")
    yield SOURCE
    drop("workshop")
    drop("workshop_copy")


@pytest.fixture(params=TARGETS, ids=lambda alias: str.__str__(alias))
def target(request: pytest.FixtureRequest, source: SchemaAlias) -> SchemaAlias:
    """Where the copy is to be: in the same database, or in another one."""
    return request.param  # type: ignore[no-any-return]


def sql(alias: SchemaAlias, *statements: str) -> Any:
    """Run statements in a schema; the rows of the last one."""
    with schema_cursor(alias.db, alias.schema) as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def copy(source: SchemaAlias, target: SchemaAlias, **options: Any) -> Any:
    """Make a schema like another, and copy the rows."""
    with snapshot(source) as reading:
        made = make_like(reading, source, target, owner="somebody")
        with transaction.atomic(using=target.db):
            return copy_rows(reading, connections[target.db], made, **options)


def digests(alias: SchemaAlias) -> Any:
    with transaction.atomic(using=alias.db):
        connection = connections[alias.db]
        return digests_of(connection, alias.schema, inventory_of(connection, alias.schema).roots.values())


def test_all_rows_are_copied(source: SchemaAlias, target: SchemaAlias) -> None:
    """Each table is equal, records of migrations included; no neighbour's rows are in it; the next ids are fresh."""
    told: dict[str, tuple[int, int]] = {}
    copied = copy(source, target, progress=lambda table, rows, size: told.update({table: (rows, size)}))
    assert digests(target) == digests(source) == copied
    assert {table: rows for table, (rows, _) in told.items()} == {table: each.rows for table, each in copied.items()}
    assert records_of(connections[target.db], target.schema) == records_of(connections["default"], source.schema)
    assert str(mark_of(target.db, target.schema)) == "django_schemas: environment tenant; owner somebody"
    with schema_context(target.db, target.schema):
        assert set(Owner.objects.values_list("witness", flat=True)) == {"default.workshop"}
        newest = max(Owner.objects.values_list("pk", flat=True))
        assert Owner.objects.create(name="New").pk > newest


def test_odd_values_survive(source: SchemaAlias, target: SchemaAlias, settings: Any) -> None:
    """Backslashes, line ends, NULL beside the empty text, and values that settings of sessions write differently."""
    odd = "a\\b\tc\nd\re\\N\\.\x1f\u2028日本"
    with schema_context(source.db, source.schema):
        Tag.objects.create(name="odd", witness=odd)
        Tag.objects.create(name="", witness="")
        with_plan = Owner.objects.create(name="null", plan=None)
    copy(source, target)
    with schema_context(target.db, target.schema):
        assert Tag.objects.get(name="odd").witness == odd
        assert Tag.objects.get(name="").witness == ""
        assert Owner.objects.get(pk=with_plan.pk).plan_id is None


EXOTIC = """
    operations = [migrations.RunSQL('''
        CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE TABLE exotic (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL,
            twice int GENERATED ALWAYS AS (a * 2) STORED,
            mood mood, at timestamptz, took interval, score double precision, raw bytea, tags text[], doc jsonb
        );
        CREATE TABLE z_parent (id int PRIMARY KEY, up int REFERENCES z_parent (id));
        CREATE TABLE a_child (id int PRIMARY KEY, parent int NOT NULL REFERENCES z_parent (id));
        CREATE TABLE parted (id int, part int) PARTITION BY LIST (part);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
        CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
        CREATE SEQUENCE invoice_no START 1000;
        CREATE MATERIALIZED VIEW totals AS SELECT sum(a) AS total FROM exotic;
        CREATE TABLE audit (id serial, note text);
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE format('INSERT INTO %I.audit (note) VALUES (''fired'')', TG_TABLE_SCHEMA); RETURN NEW; END $$;
        CREATE TRIGGER usual AFTER INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION shout();
        CREATE TRIGGER always AFTER INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION shout();
        CREATE TRIGGER never AFTER INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION shout();
        ALTER TABLE a_child ENABLE ALWAYS TRIGGER always;
        ALTER TABLE a_child DISABLE TRIGGER never;
    ''', hints={"environment": "tenant"})]
"""


@pytest.fixture
def exotic(write_migrations: Any, source: SchemaAlias) -> SchemaAlias:
    """The source with what Django's models do not have."""
    write_migrations(_0003_exotic=f"class Migration(migrations.Migration):\n    dependencies = []\n{EXOTIC}")
    migrate(source.db, source.schema, "tenant")
    sql(
        source,
        "INSERT INTO exotic (a, mood, at, took, score, raw, tags, doc) VALUES (21, 'glad', "
        "'2024-02-29 12:00:00.123456+05', '1 mon -2 days 03:04:05.6', 0.1::float8 + 0.2, '\\x00ff5c', "
        """'{a,NULL,"b c"}', '{"b": [1, 2.50], "a": null}')""",
        "SELECT setval(pg_get_serial_sequence('exotic', 'id'), 77)",
        "INSERT INTO z_parent VALUES (1, 2), (2, NULL)",
        "INSERT INTO a_child VALUES (1, 2)",
        "INSERT INTO parted VALUES (1, 1), (2, 2), (3, NULL)",
        "SELECT nextval('invoice_no')",
        "REFRESH MATERIALIZED VIEW totals",
    )
    return source


def test_what_models_do_not_have(exotic: SchemaAlias, target: SchemaAlias) -> None:
    """Identity, generated columns, enums, partitions, triggers, loose sequences and views come out as they were."""
    copy(exotic, target)
    assert digests(target) == digests(exotic)
    assert sql(target, "SELECT id, a, twice, mood::text FROM exotic") == [(1, 21, 42, "glad")]
    assert sql(target, "SELECT total FROM totals") == [(21,)]
    assert sql(target, "SELECT tableoid::regclass::text, id FROM parted ORDER BY id") == [
        ("parted_1", 1),
        ("parted_2", 2),
        ("parted_2", 3),
    ]
    assert sql(target, "INSERT INTO exotic (a) VALUES (1) RETURNING id, nextval('invoice_no')") == [(78, 1001)]
    # Those of the source's own row, and none of copying.
    assert sql(target, "SELECT count(*) FROM audit") == [(2,)]
    assert sql(target, "INSERT INTO a_child VALUES (2, 2)", "SELECT count(*) FROM audit") == [(4,)]


def test_sessions_settings_do_not_matter(exotic: SchemaAlias, target: SchemaAlias) -> None:
    """A digest is the same whatever the session would write, and its settings hold again behind it."""
    usual = digests(exotic)
    with transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        for change in (
            "DateStyle TO German",
            "IntervalStyle TO sql_standard",
            "TimeZone TO 'Asia/Kolkata'",
            "bytea_output TO escape",
            "extra_float_digits TO -15",
        ):
            cursor.execute(f"SET LOCAL {change}")
        assert digests(exotic) == usual
        cursor.execute("SELECT current_setting('TimeZone'), current_setting('bytea_output')")
        assert cursor.fetchone() == ("Asia/Kolkata", "escape")


def test_a_digest_sees_one_changed_value(exotic: SchemaAlias) -> None:
    """The number of rows is the same, the digest of that table is not, nor is that of NULL and the empty text."""
    usual = digests(exotic)
    sql(exotic, "UPDATE garage_tag SET witness = witness || ' ' WHERE name = 'red'")
    changed = {name for name, digest in digests(exotic).items() if digest != usual[name]}
    assert changed == {"garage_tag"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("CREATE TABLE by_hand (id int)", "table by_hand is in workshop alone"),
        ("ALTER TABLE garage_tag ADD by_hand int", "column garage_tag.by_hand is in workshop alone"),
        ("ALTER TABLE garage_tag DROP name", "column garage_tag.name is not in workshop"),
        ("ALTER TABLE garage_tag ALTER name TYPE text", "column garage_tag.name is text in workshop and"),
        ("DROP TABLE garage_note", "table garage_note is not in workshop"),
        ("CREATE SEQUENCE by_hand", "sequence by_hand is in workshop alone"),
    ],
)
def test_drift_is_named_before_anything_is_copied(source: SchemaAlias, change: str, told: str) -> None:
    """A schema that is not what its migrations make is refused, and nothing is left of the copy."""
    sql(source, change)
    with pytest.raises(SchemasError, match=told):
        copy(source, TARGETS[0])
    assert not schema_exists("default", "workshop_copy")


def test_widened_schema(source: SchemaAlias, target: SchemaAlias) -> None:
    """The copy of a schema whose integers were widened has such integers too."""
    migrate(source.db, source.schema, "tenant", big_ints=True)
    copy(source, target)
    with transaction.atomic(using=target.db):
        columns = dict(inventory_of(connections[target.db], target.schema).tables["garage_tag"].columns)
    assert columns["id"] == "bigint"


def test_older_state(source: SchemaAlias, target: SchemaAlias, write_migrations: Any) -> None:
    """A copy is as far as its source, not as the newest migration; then it can be migrated."""
    write_migrations(
        _0003_later="""
        class Migration(migrations.Migration):
            dependencies = []
            operations = [migrations.AddField("tag", "later", models.IntegerField(default=7))]
        """
    )
    copy(source, target)
    assert digests(target) == digests(source)
    migrate(target.db, target.schema, "tenant")
    assert sql(target, "SELECT DISTINCT later FROM garage_tag") == [(7,)]


SQUASH = """
        class Migration(migrations.Migration):
            replaces = [("garage", "0003_one"), ("garage", "0004_two")]
            dependencies = [("garage", "0002_ledger")]
            operations = [
                migrations.AddField("tag", "one", models.IntegerField(default=1)),
                migrations.AddField("tag", "two", models.IntegerField(default=2)),
            ]
        """


LESS = """
    class Migration(migrations.Migration):
        dependencies = []
        operations = [migrations.RemoveField("tag", "one")]
    """


def added(name: str) -> str:
    return f"""
        class Migration(migrations.Migration):
            dependencies = []
            operations = [migrations.AddField("tag", "{name}", models.IntegerField(default=1))]
        """


@pytest.mark.parametrize("applied", [["0003_one"], ["0003_one", "0004_two"]])
def test_squashed_migrations(source: SchemaAlias, write_migrations: Any, tmp_path: Any, applied: list[str]) -> None:
    """A source that has run some, or all, of the migrations that a newer one replaces is copied as it is."""
    package = tmp_path / write_migrations(_0003_one=added("one"), _0004_two=added("two"))
    migrate_to(source, applied[-1])
    head = "from django.db import migrations, models\n\n"
    (package / "0003_squashed_0004_two.py").write_text(head + dedent(SQUASH))
    importlib.invalidate_caches()
    copy(source, TARGETS[0])
    assert digests(TARGETS[0]) == digests(source)


@pytest.mark.parametrize("recorded", [False, True])
def test_behind_squashed_migrations(source: SchemaAlias, write_migrations: Any, tmp_path: Any, recorded: bool) -> None:
    """A source that had gone on when those before were squashed, which is recorded last, if at all, is copied too."""
    package = tmp_path / write_migrations(_0003_one=added("one"), _0004_two=added("two"), _0005_less=LESS)
    migrate_to(source, "0005_less")
    head = "from django.db import migrations, models\n\n"
    (package / "0003_squashed_0004_two.py").write_text(head + dedent(SQUASH))
    importlib.invalidate_caches()
    if recorded:
        migrate_to(source, "0005_less")
    squashed = ("garage", "0003_squashed_0004_two")
    assert (squashed in records_of(connections["default"], source.schema)) is recorded
    copy(source, TARGETS[0])
    assert digests(TARGETS[0]) == digests(source)


def migrate_to(alias: SchemaAlias, name: str) -> None:
    migrate_target(target_of(alias), [("garage", name)])


def test_unknown_migration(source: SchemaAlias) -> None:
    """A record that this code has no migration for is an error that names it, unless squashing left it behind."""
    records = records_of(connections["default"], source.schema)
    with transaction.atomic(using="default"):
        expected = inventory_of(connections["default"], source.schema)
    with pytest.raises(SchemasError, match="0009_future of garage"):
        make_empty(TARGETS[0], [*records, ("garage", "0009_future")], expected)
    assert not schema_exists("default", "workshop_copy")
    make_empty(TARGETS[0], [("garage", "0001_old_one"), ("gone", "0001_initial"), *records], expected)


def test_no_schema_is_taken_over(source: SchemaAlias) -> None:
    """A schema that is there already is not touched."""
    make_place("default", "workshop_copy")
    before = digests(TARGETS[0])
    with pytest.raises(SchemaExists):
        copy(source, TARGETS[0])
    assert digests(TARGETS[0]) == before


def test_tables_left_out(source: SchemaAlias, target: SchemaAlias) -> None:
    """They are made, and stay empty; one that others refer to can't be left out alone."""
    copy(source, target, without={"garage_ledger"})
    assert sql(target, "SELECT count(*) FROM garage_ledger") == [(0,)]
    drop("workshop_copy")
    with pytest.raises(SchemasError, match=r"garage_(car|repair) refers to garage_owner"):
        copy(source, target, without={"garage_owner"})


def test_foreign_keys_are_checked(source: SchemaAlias, target: SchemaAlias) -> None:
    """A row that refers to one that is not there fails, and nothing is written."""
    with connections["default"].cursor() as cursor:
        # As after an unchecked restore; only a superuser can do that.
        cursor.execute("SET session_replication_role TO replica")
        cursor.execute("UPDATE workshop.garage_car SET owner_id = 12345")
        cursor.execute("SET session_replication_role TO DEFAULT")
    with pytest.raises(IntegrityError, match="12345"):
        copy(source, target)
    assert sql(target, "SELECT count(*) FROM garage_car") == [(0,)]


@contextmanager
def writing(alias: SchemaAlias) -> Iterator[None]:
    """Add pairs of rows meanwhile, one of each in a transaction."""
    done = False

    def write() -> None:
        while not done:
            with transaction.atomic(using=alias.db), schema_context(alias.db, alias.schema):
                Owner.objects.create(name="pair")
                Tag.objects.create(name="pair")
        connections.close_all()

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done = True
        thread.join()


def test_one_moment_of_the_source(source: SchemaAlias, target: SchemaAlias) -> None:
    """While others write, a copy holds both rows of each pair or none, and no id is given out twice."""
    with writing(source):
        for _ in range(3):
            drop("workshop_copy")
            copy(source, target)
            with schema_context(target.db, target.schema):
                pairs = [model.objects.filter(name="pair") for model in (Owner, Tag)]  # type: ignore[attr-defined]
                assert pairs[0].count() == pairs[1].count()
                newest = max(Owner.objects.values_list("pk", flat=True))
                assert Owner.objects.create(name="New").pk > newest


def test_a_lost_source_is_an_error(source: SchemaAlias, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the source's connection dies meanwhile, what came through is not taken for the whole table."""
    sql(source, "INSERT INTO garage_tag (name, witness) SELECT 'many', repeat('x', 80) FROM generate_series(1, 200000)")
    target = TARGETS[1]
    monkeypatch.setattr(streams, "TELL_EVERY_S", 0.0)
    killed = []

    def kill(table: str, rows: int, size: int) -> None:
        if table == "garage_tag" and not killed and rows:
            killed.append(pid)
            with closing(connections["shard2"].copy()) as killer, killer.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    with snapshot(source) as reading:
        pid = reading.connection.info.backend_pid
        made = make_like(reading, source, target)
        # The driver does not always find out why.
        with pytest.raises(DatabaseError), transaction.atomic(using="shard2"):
            copy_rows(reading, connections["shard2"], made, progress=kill)
    assert killed
    assert sql(target, "SELECT count(*) FROM garage_tag WHERE name = 'many'") == [(0,)]


def test_a_failing_target_lets_go_of_the_source(source: SchemaAlias) -> None:
    """If the target takes no more, the error is the target's, and nothing waits for ever."""
    sql(source, "INSERT INTO garage_tag (name, witness) SELECT 'many', repeat('x', 80) FROM generate_series(1, 200000)")
    target = TARGETS[1]
    with snapshot(source) as reading:
        made = make_like(reading, source, target)
        sql(target, "ALTER TABLE garage_tag ADD CHECK (name != 'many') NOT VALID")
        with pytest.raises(IntegrityError, match="check constraint"), transaction.atomic(using="shard2"):
            copy_rows(reading, connections["shard2"], made)


def test_neighbours_cost_nothing(source: SchemaAlias, sent: Any) -> None:
    """The inventory is one statement, and lists the one schema only."""
    with transaction.atomic(using="default"), sent() as statements:
        found = inventory_of(connections["default"], source.schema)
    assert len(statements) == 1
    assert sorted(found.tables) == sorted(
        name for (name,) in sql(source, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'workshop'")
    )


def test_behind_a_pooler(pooled: None, source: SchemaAlias) -> None:
    """Everything is in transactions, so each may be in another session."""
    copy(source, TARGETS[0])
    assert digests(TARGETS[0]) == digests(source)

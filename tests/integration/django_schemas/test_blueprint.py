"""Blueprints: what they make is what migrations make, to the last name and row, whatever they are cut by."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.models.signals import post_migrate, pre_migrate
from django.db.utils import ProgrammingError

from django_schemas import active_placement, making
from django_schemas.blueprint import Blueprint, dumps, loads
from django_schemas.catalog import Catalog, read_catalogs
from django_schemas.environments import alias_for
from django_schemas.making import blueprint_of, on_scratch
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.schemas import drop_schema, schema_exists
from django_schemas.shelf import key_of, shelf
from django_schemas.target import target_is

LIVE = """
    def add(apps, schema_editor):
        Tag = apps.get_model("garage", "Tag")
        Tag.objects.create(name="live", witness=str(Tag.objects.count()))

    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("tag", "rank", models.IntegerField(default=7)),
            migrations.RunPython(add, migrations.RunPython.noop),
            migrations.AddField("tag", "weight", models.IntegerField(default=9)),
            migrations.AlterField("tag", "weight", models.BigIntegerField(default=9, db_index=True)),
        ]
"""
CUSTOM = """
    from django.db.migrations.operations.base import Operation

    class Leave(Operation):
        def state_forwards(self, app_label, state):
            pass

        def database_forwards(self, app_label, schema_editor, from_state, to_state):
            schema_editor.execute("CREATE VIEW left_behind AS SELECT 1 AS one")
            {put_off}

    class Migration(migrations.Migration):
        operations = [migrations.AddField("tag", "extra", models.CharField(max_length=9, default="")), Leave()]
"""
PUT_OFF = 'schema_editor.deferred_sql.append("COMMENT ON VIEW left_behind IS $$put off$$")'
SQL = """
    class Migration(migrations.Migration):
        operations = [
            migrations.RunSQL("CREATE TYPE mood AS ENUM ('sad', 'happy, 100%'); -- a comment"),
            migrations.RunSQL([("INSERT INTO garage_tag (name, witness) VALUES (%s, now()::date::text)", ["by sql"])]),
            migrations.RunSQL('''
                CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN NEW.witness := 'touched; by a trigger'; RETURN NEW; END $$;
                CREATE TRIGGER touches BEFORE UPDATE ON garage_tag FOR EACH ROW EXECUTE FUNCTION touched();
            '''),
            migrations.SeparateDatabaseAndState([migrations.RunSQL("CREATE VIEW tags AS SELECT name FROM garage_tag")]),
        ]
"""
OUTSIDE = """
    from django.contrib.postgres.operations import AddIndexConcurrently

    class Migration(migrations.Migration):
        atomic = False
        operations = [AddIndexConcurrently("tag", models.Index(fields=["witness"], name="outside"))]
"""
MODEL = """
    class Migration(migrations.Migration):
        operations = [migrations.CreateModel("Wheel", [("id", models.BigAutoField(primary_key=True))])]
"""
ELSEWHERE = """
    def fail(apps, schema_editor):
        raise AssertionError

    class Migration(migrations.Migration):
        operations = [migrations.RunPython(fail, migrations.RunPython.noop, hints={"environment": "registry"})]
"""
CONTENT_TYPE = """
    def add(apps, schema_editor):
        apps.get_model("contenttypes", "ContentType").objects.create(app_label="old", model="relic")

    class Migration(migrations.Migration):
        dependencies = [("contenttypes", "0002_remove_content_type_name")]
        operations = [migrations.RunPython(add, migrations.RunPython.noop)]
"""


@pytest.fixture(autouse=True)
def _none_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin as a process does; keep nothing."""
    monkeypatch.setattr(making, "_known", {})
    monkeypatch.setattr(shelf, "_store", None)
    yield


Rows = dict[str, list[Any]]


def rows(db: str, schema: str) -> Rows:
    """All rows, with the position of each sequence; when migrations were applied is left out."""
    found: Rows = {}
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = %s", [schema])
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT to_jsonb(t) - %s FROM "{schema}"."{table}" t ORDER BY 1', ["applied"])
            found[table] = [row for (row,) in cursor.fetchall()]
        cursor.execute("SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = %s", [schema])
        found["sequences"] = sorted(cursor.fetchall())
    return found


def contents(db: str, schema: str) -> tuple[Catalog, Rows]:
    return read_catalogs(db, [schema])[schema], rows(db, schema)


def kept() -> Blueprint:
    """The blueprint that this process has made."""
    (beginning,) = making._known.values()
    assert beginning.blueprint is not None
    return beginning.blueprint


def live() -> list[tuple[str, str, int]]:
    """What of the migrations that a test has written runs live: its kind, migration and number."""
    return [
        (part.kind, part.name, part.number)
        for part in kept()
        if part.kind in ("live", "migration") and part.app == "garage" and part.name > "0002_ledger"
    ]


def make(schema: str, **options: Any) -> tuple[Catalog, Rows]:
    migrate_target(target_of(alias_for("default", schema, ("tenant",))), **options)
    return contents("default", schema)


def assert_alike() -> None:
    """The first is made the long way and taken down, the others by what was taken down; all three are the same."""
    first = make("made_first")
    before = kept()
    second, third = make("made_by_it"), make("made_long", blueprint=False)
    assert first == second == third
    assert loads(dumps(before)) == before


def test_is_what_migrations_make() -> None:
    """Tables, names, comments, rows, keys, sequences: the same."""
    assert_alike()


def test_is_sent_at_once(sent: Any) -> None:
    """Where no code of the project's runs, what a hundred statements made is made by one, and few beside it."""
    points = [("auth", "0012_alter_user_first_name_max_length")]
    make("made_first", targets=points)
    with sent() as statements:
        migrate_target(target_of(alias_for("default", "made_by_it", ("tenant",))), points)
    assert [part.kind for part in kept()] == ["script"]
    assert len([sql for sql in statements if "CREATE TABLE" in sql]) == 1
    assert len(statements) < 30


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"_0003_live": LIVE}, [("live", "0003_live", 1)]),
        ({"_0003_sql": SQL}, []),
        ({"_0003_sql": SQL, "_0004_live": LIVE}, [("live", "0004_live", 1)]),
        ({"_0003_own": CUSTOM.format(put_off="pass")}, [("live", "0003_own", 1)]),
        ({"_0003_own": CUSTOM.format(put_off=PUT_OFF)}, [("migration", "0003_own", 0)]),
        (
            {"_0003_own": CUSTOM.format(put_off=PUT_OFF), "_0004_live": LIVE},
            [("migration", "0003_own", 0), ("live", "0004_live", 1)],
        ),
        ({"_0003_model": MODEL, "_0004_live": LIVE}, [("live", "0004_live", 1)]),
        ({"_0003_type": CONTENT_TYPE}, [("live", "0003_type", 0)]),
        ({"_0003_elsewhere": ELSEWHERE}, []),
    ],
)
def test_cut_where_code_must_run(write_migrations: Any, sources: dict[str, str], expected: list[Any]) -> None:
    """The project's Python runs in each schema, between the same statements as in migrations; SQL does not."""
    write_migrations(**sources)
    assert_alike()
    assert live() == expected


def test_outside_of_a_transaction(committed: None, write_migrations: Any) -> None:
    """A migration that is not atomic runs by itself, and what stands before and behind it is sent at once."""
    write_migrations(_0003_outside=OUTSIDE, _0004_model=MODEL)
    try:
        assert_alike()
        assert live() == [("migration", "0003_outside", 0)]
    finally:
        for schema in ("made_first", "made_by_it", "made_long"):
            if schema_exists("default", schema):
                drop_schema("default", schema)


def test_live_code_sees_its_own_schema(write_migrations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The placement is active, each time that of the schema that is made."""
    seen: list[Any] = []
    monkeypatch.setattr("builtins.seen_by_migration", seen, raising=False)
    write_migrations(
        _0003_look="""
        import builtins
        from django_schemas import active_placement

        def look(apps, schema_editor):
            builtins.seen_by_migration.append(active_placement("tenant").schema)

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(look, migrations.RunPython.noop)]
        """
    )
    for schema in ("made_first", "made_by_it", "made_too"):
        make(schema)
    assert seen == ["made_first", "made_by_it", "made_too"]
    assert active_placement("tenant") is None


def test_keys_that_live_code_shifts(write_migrations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where code left other rows than when it was taken down, Django's receivers go by what is there."""
    monkeypatch.setattr("builtins.relics", iter(["one", "two", "two"]), raising=False)
    write_migrations(
        _0003_shift="""
        import builtins

        def shift(apps, schema_editor):
            ContentType = apps.get_model("contenttypes", "ContentType")
            for number in range({"one": 1, "two": 2}[next(builtins.relics)]):
                ContentType.objects.create(app_label="old", model=f"relic{number}")

        class Migration(migrations.Migration):
            dependencies = [("contenttypes", "0002_remove_content_type_name")]
            operations = [migrations.RunPython(shift, migrations.RunPython.noop)]
        """
    )
    one, by_it, long = make("made_first"), make("made_by_it"), make("made_long", blueprint=False)
    assert one != by_it == long


@pytest.mark.parametrize("signal", [pre_migrate, post_migrate])
@pytest.mark.parametrize("made_before", [False, True])
def test_receivers_of_the_project(signal: Any, made_before: bool) -> None:
    """They are called for each schema and app, with the schema's alias; also those that came later."""
    if made_before:
        make("made_before")
    calls: list[tuple[str, str]] = []

    def note(app_config: Any, using: Any, **kwargs: Any) -> None:
        calls.append((using.schema, app_config.label))

    signal.connect(note)
    try:
        make("made_first")
        make("made_by_it")
    finally:
        signal.disconnect(note)
    first = [label for schema, label in calls if schema == "made_first"]
    assert "garage" in first
    assert [label for schema, label in calls if schema == "made_by_it"] == first


def test_receivers_find_all_there() -> None:
    """When the project's receivers of post_migrate are called, content types and permissions are there."""
    counts: list[int] = []

    def count(app_config: Any, using: Any, apps: Any, **kwargs: Any) -> None:
        if app_config.label == "garage":
            counts.append(apps.get_model("contenttypes", "ContentType").objects.using(using).count())

    post_migrate.connect(count)
    try:
        make("made_first")
        make("made_by_it")
    finally:
        post_migrate.disconnect(count)
    assert counts[0] == counts[1] > 10


def test_failing_code_leaves_no_schema(write_migrations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a blueprint began is gone when live code fails."""
    monkeypatch.setattr("builtins.fails", iter([False, True, False]), raising=False)
    write_migrations(
        _0003_fail="""
        import builtins

        def fail(apps, schema_editor):
            if next(builtins.fails):
                raise LookupError("not today")

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(fail, migrations.RunPython.noop)]
        """
    )
    first = make("made_first")
    with pytest.raises(LookupError):
        make("made_by_it")
    assert not schema_exists("default", "made_by_it")
    assert make("made_by_it") == first


def test_new_migrations_make_a_new_one(write_migrations: Any) -> None:
    """Migrations that came in the meantime are not left out."""
    make("made_first")
    write_migrations(_0003_model=MODEL)
    catalog, _ = make("made_by_it")
    assert any(item.table == "garage_wheel" for item in catalog)


def test_named_after_the_schema(write_migrations: Any) -> None:
    """What names the schema that it was taken down in would make a mess of another: there is no blueprint then."""
    write_migrations(
        _0003_name="""
        def sql(schema):
            return f'CREATE VIEW v AS SELECT * FROM "{schema}".garage_tag'

        class Migration(migrations.Migration):
            operations = [migrations.RunSQL(sql("made_first"))]
        """
    )
    make("made_first")
    assert [beginning.blueprint for beginning in making._known.values()] == [None]


class Memory:
    """Keeps texts, as the registry does."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.texts.get(key)

    def put(self, key: str, environment: str, text: str) -> None:
        assert environment == "tenant"
        self.texts[key] = text


def test_kept_for_other_processes(monkeypatch: pytest.MonkeyPatch, sent: Any) -> None:
    """A process that finds one makes its first schema by it."""
    memory = Memory()
    shelf.use(memory)
    first = make("made_first")
    assert list(memory.texts.values()) == [dumps(kept())]
    monkeypatch.setattr(making, "_known", {})
    with sent() as statements:
        assert make("made_by_it") == first
    assert len([sql for sql in statements if "CREATE TABLE" in sql]) < 5


def key(db: str = "default") -> str:
    target = target_of(alias_for(db, "any", ("tenant",)))
    with target_is(target), making._beginning(target, None, None).course() as course:
        return key_of(course, target)


SETTING = """
    from django.conf import settings

    class Migration(migrations.Migration):
        operations = [migrations.AddField("tag", "size", models.CharField(max_length=settings.SIZE, default=""))]
"""


SIZE = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("tag", "size", models.CharField(max_length=10, default=""))]
"""


def test_key(write_migrations: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes with the migrations, with settings that they are made of, and with the versions; not otherwise."""
    plain = key()
    assert key() == plain
    settings.SIZE = 10
    write_migrations(_0003_size=SETTING)
    ten = key()
    settings.SIZE = 20
    write_migrations(_0003_size=SETTING)
    assert len({plain, ten, key()}) == 3
    before: Callable[[], str] = key
    now = before()
    monkeypatch.setattr("django.VERSION", (99, 0, 0, "final", 0))
    assert key() != now


def test_key_is_of_every_process(write_migrations: Any) -> None:
    """It is the same whatever a process did before: relations asked of a state name the fields in migrations."""
    write_migrations(_0003_size=SIZE)
    fresh = key()
    assert MigrationLoader(None, ignore_no_migrations=True).project_state().relations
    assert key() == fresh


def test_made_beforehand() -> None:
    """It can be asked for, and nothing else comes of it."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace")
        before = cursor.fetchone()
        blueprint = blueprint_of("default", "tenant")
        cursor.execute("SELECT count(*) FROM pg_namespace")
        assert cursor.fetchone() == before
    assert blueprint is not None
    assert blueprint_of("default", "tenant") is blueprint
    assert blueprint_of("default", "tenant", renew=True) == blueprint


def test_judges_go_the_long_way(sent: Any) -> None:
    """What blueprints are compared with is not made by one."""
    make("made_first")
    with sent() as statements:
        on_scratch("default", "tenant", lambda alias: None)
    assert len([sql for sql in statements if "CREATE TABLE" in sql]) > 20
    assert len([sql for sql in statements if "CREATE SCHEMA" in sql]) == 1


def test_nothing_is_folded_in_vain(sent: Any) -> None:
    """Where no schema is to be made by a blueprint none is made ready, each time anew."""
    with sent() as statements:
        make("made_long", blueprint=False)
    assert len([sql for sql in statements if "CREATE SCHEMA" in sql]) == 1


def test_apps_without_migrations(settings: Any) -> None:
    """Their tables are made as they always were, each time."""
    settings.MIGRATION_MODULES = {"garage": None}
    assert apps.is_installed("tests.apps.garage")
    first, second = make("made_first"), make("made_by_it")
    assert first == second
    assert any(item.table == "garage_tag" for item in first[0])
    assert blueprint_of("default", "tenant") is None


def test_broken_script_leaves_no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that a database refuses is undone as a whole."""
    make("made_first")
    (beginning,) = making._known.values()
    beginning.blueprint = tuple(loads(dumps(kept()).replace("CREATE TABLE", "CREATE TABEL")))
    with pytest.raises(ProgrammingError):
        make("made_by_it")
    assert not schema_exists("default", "made_by_it")

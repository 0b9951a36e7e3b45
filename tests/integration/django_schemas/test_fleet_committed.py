"""The fleet and those who are in its way: readers, other fleets, sessions that end, schemas that go."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections, transaction
from django.db.models import signals

from django_schemas import fleet, records
from django_schemas.alias import SchemaAlias
from django_schemas.fleet import Outcome, migrate_fleet
from django_schemas.schemas import schema_exists
from django_schemas.survey import survey
from tests.integration.django_schemas.fleets import brought, received, states, tiny
from tests.integration.django_schemas.test_migrator import someone_waits

COLOUR = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Crate", "colour", models.CharField(max_length=9, null=True))]
"""
FRESH = """
    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("Crate", "fresh", models.IntegerField(default=1), preserve_default=False)
        ]
"""
NON_ATOMIC = """
    def add(apps, schema_editor):
        apps.get_model("crates", "Crate").objects.create(label="added")

    class Migration(migrations.Migration):
        atomic = False
        operations = [
            migrations.RunSQL("CREATE INDEX CONCURRENTLY {name} ON crates_crate (label)"),
            migrations.RunPython(add),
        ]
"""
LABELS = """
    class Migration(migrations.Migration):
        operations = [migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('added')")]
"""
COMBINED = """
    class Migration(migrations.Migration):
        operations = [
            migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('added')"),
            migrations.AddField("Crate", "colour", models.CharField(max_length=9, default="")),
        ]
"""


def drop_tiny() -> None:
    for db in ("default", "shard2"):
        with connections[db].cursor() as cursor:
            cursor.execute("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^tiny'")
            names = [name for (name,) in cursor.fetchall()]
            for start in range(0, len(names), 100):
                cursor.execute(f"DROP SCHEMA {', '.join(names[start : start + 100])} CASCADE")


@pytest.fixture
def hosted(settings: Any, committed: None) -> Iterator[None]:
    """Databases that host environment `crates` too; its schemas are gone behind the test."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    for db in ("default", "shard2"):
        databases[db]["ENVIRONMENTS"] = [*databases[db]["ENVIRONMENTS"], "crates"]
    settings.DATABASES = databases
    yield
    drop_tiny()


pytestmark = [
    pytest.mark.usefixtures("hosted"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]


@pytest.fixture
def write(write_migrations: Any) -> Callable[..., str]:
    """Give the crates more migrations."""
    return lambda **sources: write_migrations("crates", **sources)


def read(alias: SchemaAlias, sql: str) -> list[Any]:
    with connections[alias.db].cursor() as cursor:
        cursor.execute(sql.format(f'"{alias.schema}"'))
        return [value for (value,) in cursor.fetchall()]


def labels(alias: SchemaAlias) -> list[Any]:
    return read(alias, "SELECT label FROM {}.crates_crate ORDER BY id")


def recorded(alias: SchemaAlias) -> list[Any]:
    """Names of the migrations behind the second."""
    return read(alias, "SELECT name FROM {}.django_migrations ORDER BY id")[2:]


@contextmanager
def reading(alias: SchemaAlias) -> Iterator[None]:
    """A session that has read the crates, and sits in its transaction."""
    connection = connections[alias.db].copy()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT count(*) FROM {alias.schema}.crates_crate")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
            connection.close()


@contextmanager
def locking(alias: SchemaAlias) -> Iterator[None]:
    """Another session that works on the structure of a schema."""
    connection = connections[alias.db].copy()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"django_schemas.{alias.schema}"])
        try:
            yield
        finally:
            connection.close()


class TestLocks:
    def test_a_long_reader_delays_its_own_schema(self, write: Any) -> None:
        """The others are done meanwhile, its users wait no longer than the timeout, and it is done when it may be."""
        write(_0003_colour=COMBINED)
        aliases = tiny("default", 6)
        done: list[str] = []
        waits: list[float] = []
        over = threading.Event()

        def use() -> None:
            """Read the table that is to be altered, as its users do."""
            connection = connections["default"].copy()
            with connection.cursor() as cursor:
                while not over.is_set():
                    begun = time.monotonic()
                    cursor.execute("SELECT count(*) FROM tiny1.crates_crate")
                    waits.append(time.monotonic() - begun)
                    time.sleep(0.01)
            connection.close()

        user = threading.Thread(target=use)
        with reading(aliases[0]) as _:
            stack = reading(aliases[0])
            stack.__enter__()
            user.start()
            run = migrate_fleet(aliases, lock_timeout="200ms", retry_for_s=30)
            for outcome in run:
                done.append(outcome.alias.schema)
                assert outcome.state == "migrated"
                if len(done) == 5:
                    assert "tiny1" not in done
                    break
            stack.__exit__(None, None, None)
        rest = list(run)
        over.set()
        user.join()
        assert [(outcome.alias.schema, outcome.state) for outcome in rest] == [("tiny1", "migrated")]
        assert max(waits) < 0.2 + 0.5
        assert {alias.schema: labels(alias) for alias in aliases} == {alias.schema: ["added"] for alias in aliases}

    def test_told_as_locked_in_the_end(self, write: Any) -> None:
        """A schema whose lock was not had for so long is told with the reason, and left as it was."""
        write(_0003_colour=COMBINED)
        aliases = tiny("default", 2)
        begun = time.monotonic()
        with reading(aliases[0]):
            found = brought(aliases, lock_timeout="50ms", retry_for_s=1)
        assert states(found) == {"tiny1": "locked", "tiny2": "migrated"}
        assert found["tiny1"].error.startswith(
            "SchemaLocked: Migration crates.0003_colour could not be run in schema 'tiny1' of database 'default': "
        )
        assert 0.5 < time.monotonic() - begun < 4
        assert (labels(aliases[0]), recorded(aliases[0])) == ([], [])
        assert states(brought(aliases)) == {"tiny1": "migrated", "tiny2": "current"}

    def test_not_tried_again(self, write: Any) -> None:
        """Without time for it, none is tried again."""
        write(_0003_colour=COMBINED)
        aliases = tiny("default", 2)
        with reading(aliases[0]):
            begun = time.monotonic()
            assert states(brought(aliases, lock_timeout="50ms", retry_for_s=0))["tiny1"] == "locked"
            assert time.monotonic() - begun < 2

    def test_those_that_are_locked_hold_up_nobody(self, write: Any, monkeypatch: Any) -> None:
        """Others are done before one is tried again, however often it might be by then."""
        monkeypatch.setattr(fleet, "_AT_ONCE", 1)
        monkeypatch.setattr(fleet, "_BACKOFF_S", 0.0)
        write(_0003_colour=COMBINED)
        aliases = tiny("default", 8)
        with reading(aliases[0]), reading(aliases[1]):
            run = migrate_fleet(aliases, lock_timeout="100ms", retry_for_s=30)
            begun = time.monotonic()
            assert [next(run).state for _ in range(6)] == ["migrated"] * 6
            assert time.monotonic() - begun < 2
            run.close()

    def test_states_survive_an_operation_that_was_cut_off(self, write: Any) -> None:
        """What an operation does to the project's state, and leaves so as it fails, the next schema does not see."""
        write(
            _0003_marking="""
            from django.db.migrations.operations.base import Operation
            from django_schemas import active_placement

            class Marking(Operation):
                def state_forwards(self, app_label, state):
                    state.models["crates", "crate"] = state.models["crates", "crate"].clone()

                def database_forwards(self, app_label, editor, before, after):
                    options = after.models["crates", "crate"].options
                    editor.execute(f"INSERT INTO crates_crate (label) VALUES ('{options.get('marked', 'clean')}')")
                    options["marked"] = "marked"
                    if active_placement("crates").schema == "tiny1":
                        raise ValueError("cut off")
                    del options["marked"]

            class Migration(migrations.Migration):
                operations = [Marking()]
            """
        )
        aliases = tiny("default", 3)
        assert states(brought(aliases)) == {"tiny1": "failed", "tiny2": "migrated", "tiny3": "migrated"}
        assert [labels(alias) for alias in aliases] == [[], ["clean"], ["clean"]]

    def test_states_survive_a_lock_that_was_not_had(self, write: Any) -> None:
        """A default that is for the time of adding alone is not left to the schema behind one that was locked."""
        write(_0003_fresh=FRESH)
        aliases = tiny("default", 3)
        with reading(aliases[0]):
            found = brought(aliases, lock_timeout="50ms", retry_for_s=0)
        assert states(found) == {"tiny1": "locked", "tiny2": "migrated", "tiny3": "migrated"}
        assert brought(aliases)["tiny1"].state == "migrated"
        for alias in aliases:
            defaults = read(
                alias,
                "SELECT count(column_default) FROM information_schema.columns "
                f"WHERE table_schema = '{alias.schema}' AND column_name = 'fresh'",
            )
            assert defaults == [0]

    def test_deadlock(self, write: Any) -> None:
        """A schema whose migration was the victim of a deadlock is tried again, and done once."""
        write(
            _0003_two="""
            class Migration(migrations.Migration):
                operations = [
                    migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('added')"),
                    migrations.RunSQL("ALTER TABLE crates_crate ADD one int"),
                    migrations.RunSQL("SELECT pg_sleep(1)"),
                    migrations.RunSQL("ALTER TABLE other ADD two int"),
                ]
            """
        )
        (alias,) = tiny("default", 1)
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE tiny1.other (id int)")
        connection = connections["default"].copy()
        connection.inc_thread_sharing()

        def cross() -> None:
            with connection.cursor() as cursor:
                # So that the migration finds the deadlock first.
                cursor.execute("SET deadlock_timeout TO '20s'")
                cursor.execute("BEGIN")
                cursor.execute("SELECT count(*) FROM tiny1.other")
                time.sleep(0.5)
                cursor.execute("SELECT count(*) FROM tiny1.crates_crate")
                cursor.execute("COMMIT")
            connection.close()

        thread = threading.Thread(target=cross)
        thread.start()
        found = brought([alias], lock_timeout=None, retry_for_s=20)
        thread.join()
        assert (states(found), labels(alias), recorded(alias)) == ({"tiny1": "migrated"}, ["added"], ["0003_two"])

    @pytest.mark.parametrize("source", [LABELS, NON_ATOMIC.format(name="one")], ids=["atomic", "not atomic"])
    def test_a_schema_that_another_works_on(self, source: str, write: Any) -> None:
        """It is not waited for, whatever the migration is like, and is told as locked; the others are done."""
        write(_0003_it=source)
        aliases = tiny("default", 3)
        with locking(aliases[1]):
            found = brought(aliases, retry_for_s=0)
            assert states(found) == {"tiny1": "migrated", "tiny2": "locked", "tiny3": "migrated"}
        assert "is being migrated, copied or moved by another process" in found["tiny2"].error
        assert brought(aliases)["tiny2"].state == "migrated"
        assert [labels(alias) for alias in aliases] == [["added"]] * 3

    def test_squashed_ones_are_recorded_behind_a_lock_too(self, write: Any, tmp_path: Path) -> None:
        """Where there is nothing to do but to record, who has the schema's lock is not waited for either."""
        (tmp_path / write() / "0003_squashed.py").write_text(
            "from django.db import migrations\n\nclass Migration(migrations.Migration):\n"
            "    replaces = [('crates', '0001_initial'), ('crates', '0002_first_crate')]\n    operations = []\n"
        )
        (alias,) = tiny("default", 1)
        with locking(alias):
            assert states(brought([alias], retry_for_s=0)) == {"tiny1": "locked"}
        assert recorded(alias) == []
        assert states(brought([alias])) == {"tiny1": "current"}
        assert recorded(alias) == ["0003_squashed"]

    @pytest.mark.parametrize("backwards", [False, True], ids=["apply", "to zero"])
    def test_those_migrated_one_by_one(self, backwards: bool, write: Any) -> None:
        """Where each has a plan of its own the lock is not waited for either, and what is gone is not made anew."""
        write(
            _0003_own="""
            class Migration(migrations.Migration):
                operations = [migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('added')")]

                def apply(self, state, editor, collect_sql=False):
                    return super().apply(state, editor, collect_sql)
            """
        )
        aliases = tiny("default", 3)
        points = [("crates", "0001_initial")] if backwards else None
        run = migrate_fleet(aliases, points, retry_for_s=0)
        with locking(aliases[1]):
            outcomes: list[Outcome] = [next(run)]
            with connections["default"].cursor() as cursor:
                cursor.execute("DROP SCHEMA tiny3 CASCADE")
            outcomes += run
        assert [(outcome.alias.schema, outcome.state) for outcome in outcomes] == [
            ("tiny1", "migrated"),
            ("tiny2", "locked"),
            ("tiny3", "failed"),
        ]
        assert outcomes[2].error == "SchemaDoesNotExist: There is no schema 'tiny3' in database 'default'."
        assert outcomes[0].backwards is backwards
        assert not schema_exists("default", "tiny3")


class TestInBetween:
    """What happens to a schema between the survey and its turn."""

    def test_done_by_another(self, write: Any) -> None:
        """What another fleet did meanwhile is found, and not done again."""
        write(_0003_labels=LABELS, _0004_colour=COLOUR, _0005_more=NON_ATOMIC.format(name="more"))
        aliases = tiny("default", 3)
        run = migrate_fleet(aliases)
        first = next(run)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_thread, lambda: brought(aliases)).result(60)
        assert [first.state, *(outcome.state for outcome in run)] == ["migrated", "current", "current"]
        for alias in aliases:
            assert labels(alias) == ["added", "added"]
            assert recorded(alias) == ["0003_labels", "0004_colour", "0005_more"]

    def test_taken_back_by_another(self, write: Any) -> None:
        """A schema that lacks what it had is not brought along: it fails, and the next run sees how far it is."""
        write(_0003_colour=COLOUR, _0004_labels=LABELS)
        aliases = tiny("default", 2)
        brought(aliases, [("crates", "0003_colour")])
        run = migrate_fleet(aliases)
        first = next(run)
        assert (first.state, first.error) == ("migrated", "")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_thread, lambda: brought(aliases[1:], [("crates", "0002_first_crate")])).result(60)
        (outcome,) = run
        assert (outcome.state, "were taken back by another process" in outcome.error) == ("failed", True)
        assert (labels(aliases[1]), recorded(aliases[1])) == ([], [])
        assert states(brought(aliases)) == {"tiny1": "current", "tiny2": "migrated"}

    def test_dropped_while_it_is_looked_at(self, write: Any, monkeypatch: Any) -> None:
        """It is told as gone; nobody else is kept from being migrated."""
        write(_0003_colour=COLOUR)
        aliases = tiny("default", 3)
        original = records._digests

        def dropping(schemas: Any) -> str:
            with connections["default"].cursor() as cursor:
                cursor.execute("DROP SCHEMA IF EXISTS tiny1 CASCADE")
            return original(schemas)

        monkeypatch.setattr(records, "_digests", dropping)
        found = brought(aliases)
        assert states(found) == {"tiny1": "failed", "tiny2": "migrated", "tiny3": "migrated"}
        assert found["tiny1"].error == "SchemaDoesNotExist: There is no schema 'tiny1' in database 'default'."

    def test_dropped_before_its_turn(self, write: Any) -> None:
        """It fails, and is not made anew."""
        write(_0003_colour=COLOUR)
        aliases = tiny("default", 2)
        run = migrate_fleet(aliases)
        assert next(run).state == "migrated"
        with connections["default"].cursor() as cursor:
            cursor.execute("DROP SCHEMA tiny2 CASCADE")
        assert [outcome.state for outcome in run] == ["failed"]
        assert not schema_exists("default", "tiny2")


class TestNonAtomic:
    def test_done(self, write: Any) -> None:
        """What can be in no transaction is done in each schema, with the others; search_path is as before."""
        write(_0003_colour=COLOUR, _0004_it=NON_ATOMIC.format(name="it"), _0005_labels=LABELS)
        aliases = [*tiny("default", 2), *tiny("shard2", 2, first=3)]
        assert {(outcome.state, outcome.error) for outcome in brought(aliases).values()} == {("migrated", "")}
        for alias in aliases:
            assert (labels(alias), recorded(alias)) == (["added"] * 2, ["0003_colour", "0004_it", "0005_labels"])
            assert read(alias, "SHOW search_path") == ['"$user", public']
        assert set(states(brought(aliases)).values()) == {"current"}

    def test_receiver_that_fails(self, write: Any) -> None:
        """What is done is not done again; post_migrate is, until it succeeds."""
        write(_0003_it=NON_ATOMIC.format(name="it"))
        aliases = tiny("default", 2)
        broken = {"tiny1"}
        heard: list[str] = []

        def hear(using: Any, **kwargs: Any) -> None:
            heard.append(using.schema)
            if using.schema in broken:
                raise ValueError("broken")

        with received(signals.post_migrate, hear, apps.get_app_config("crates")):
            assert states(brought(aliases)) == {"tiny1": "failed", "tiny2": "migrated"}
            assert states(brought(aliases)) == {"tiny1": "failed", "tiny2": "current"}
            broken.clear()
            assert states(brought(aliases)) == {"tiny1": "current", "tiny2": "current"}
            assert states(brought(aliases)) == {"tiny1": "current", "tiny2": "current"}
        assert heard == ["tiny1", "tiny2", "tiny1", "tiny1"]
        assert [(labels(alias), recorded(alias)) for alias in aliases] == [(["added"], ["0003_it"])] * 2

    def test_half_done(self, write: Any) -> None:
        """One that fails halfway is not recorded, lets go of the lock, and leaves search_path as it was."""
        write(
            _0003_half="""
            class Migration(migrations.Migration):
                atomic = False
                operations = [
                    migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('half')"),
                    migrations.RunSQL("SELECT 1 / 0"),
                ]
            """
        )
        aliases = tiny("default", 2)
        assert set(states(brought(aliases)).values()) == {"failed"}
        assert (recorded(aliases[0]), labels(aliases[0])) == ([], ["half"])
        assert read(aliases[0], "SHOW search_path") == ['"$user", public']
        assert read(aliases[0], "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [0]


def in_thread(function: Callable[[], Any]) -> Any:
    try:
        return function()
    finally:
        connections.close_all()


class TestSessions:
    @pytest.mark.parametrize("atomic", [True, False])
    def test_backend_that_ends(self, atomic: bool, write: Any) -> None:
        """A schema whose session is ended under it fails; the next has a new one; run again, all is done once."""
        write(
            _0003_end=f"""
            from django_schemas import active_placement

            def end(apps, schema_editor):
                with schema_editor.connection.cursor() as cursor:
                    cursor.execute("SELECT to_regclass('public.fleet_may_go_on') IS NULL")
                    if active_placement("crates").schema == "tiny2" and cursor.fetchone()[0]:
                        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                apps.get_model("crates", "Crate").objects.create(label="added")

            class Migration(migrations.Migration):
                atomic = {atomic}
                operations = [migrations.RunPython(end)]
            """
        )
        aliases = tiny("default", 3)
        assert states(brought(aliases)) == {"tiny1": "migrated", "tiny2": "failed", "tiny3": "migrated"}
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE fleet_may_go_on ()")
        try:
            assert states(brought(aliases)) == {"tiny1": "current", "tiny2": "migrated", "tiny3": "current"}
        finally:
            with connections["default"].cursor() as cursor:
                cursor.execute("DROP TABLE fleet_may_go_on")
        assert [labels(alias) for alias in aliases] == [["added"]] * 3

    def test_sessions_are_renewed(self, write: Any, monkeypatch: Any) -> None:
        """The server's process is another one behind so many schemas."""
        monkeypatch.setitem(connections["default"].settings_dict, "MAX_SCHEMAS_PER_CONNECTION", 4)
        connections["default"].close()
        monkeypatch.setattr(fleet, "_AT_ONCE", 2)
        write(
            _0003_pid="""
            class Migration(migrations.Migration):
                operations = [migrations.RunSQL("INSERT INTO crates_crate (label) VALUES (pg_backend_pid())")]
            """
        )
        aliases = tiny("default", 12)
        assert set(states(brought(aliases)).values()) == {"migrated"}
        pids = [label for alias in aliases for label in labels(alias)]
        assert len(set(pids)) >= 3
        assert max(map(pids.count, pids)) <= 4

    def test_courses_are_a_threads_own(self, write: Any) -> None:
        """What a course remembers is of one schema at a time: a thread follows none that another follows too."""
        write(_0003_labels=LABELS)
        ((cohort, _),) = survey(tiny("default", 2), None, {}).todo
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(in_thread, lambda: cohort.way().course).result() is not cohort.way().course
        assert cohort.way().course is cohort.way().course

    def test_threads(self, write: Any) -> None:
        """Two threads each bring a fleet along at the same time, of one cohort."""
        write(_0003_labels=LABELS, _0004_fresh=FRESH)
        aliases = tiny("default", 12)
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(in_thread, lambda half=half: brought(half)) for half in (aliases[::2], aliases[1::2])]
            found = [states(run.result(60)) for run in runs]
        assert {state for each in found for state in each.values()} == {"migrated"}
        assert [labels(alias) for alias in aliases] == [["added"]] * 12

    def test_closed_early(self, write: Any) -> None:
        """Whoever stops listening stops the fleet; what it had begun is whole, and nothing is held any more."""
        write(_0003_labels=LABELS)
        aliases = tiny("default", 4)
        for _ in migrate_fleet(aliases):
            break
        assert [labels(alias) for alias in aliases] == [["added"], [], [], []]
        assert not someone_waits()
        with transaction.atomic(using="default"):
            assert states(brought(aliases)) == {**dict.fromkeys(states_of(aliases), "migrated"), "tiny1": "current"}


def states_of(aliases: list[SchemaAlias]) -> list[str]:
    return [alias.schema for alias in aliases]

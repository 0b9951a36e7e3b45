"""The migrator with more than one process at work: what waits, and what is found done."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from django_schemas.alias import SchemaAlias
from django_schemas.exceptions import ConfigError, SchemaLocked
from django_schemas.migrations import flush, migrate
from django_schemas.migrator import migrate_target
from django_schemas.plans import make_plan, target_of
from django_schemas.schemas import lock_schema
from tests.apps.garage.models import Tag
from tests.apps.garage.witness import seen
from tests.integration.django_schemas.catalog import catalog, records
from tools.postgres import VARIABLES

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def wait_until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def someone_waits() -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0] > 0)


def in_thread(pool: ThreadPoolExecutor, function: Callable[[], Any]) -> Any:
    """Start a function in a thread with a connection of its own."""

    def run() -> Any:
        try:
            return function()
        finally:
            connections.close_all()

    return pool.submit(run)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Two events for migrations: that one has begun, and that it may go on."""
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "migration_begun", begun, raising=False)
    monkeypatch.setattr(threading, "migration_may_go_on", go_on, raising=False)
    yield begun, go_on
    go_on.set()


SLOW = """
    import threading

    def add(apps, schema_editor):
        threading.migration_begun.set()
        threading.migration_may_go_on.wait(20)
        apps.get_model("garage", "Tag").objects.create(name="slow", witness="")

    class Migration(migrations.Migration):
        atomic = {atomic}
        operations = [migrations.RunPython(add, migrations.RunPython.noop)]
"""


@pytest.fixture
def made(new_schema: str, committed: None) -> str:
    """A schema at the newest migrations that are in the repository."""
    migrate("default", schema=new_schema, environment="tenant")
    return new_schema


def run_two(schema: str, gate: tuple[threading.Event, threading.Event], arrived: Callable[[], bool]) -> None:
    """Migrate twice at the same time; the second begins while the first is inside of a migration."""
    begun, go_on = gate
    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, lambda: migrate("default", schema=schema, environment="tenant"))
        assert begun.wait(20)
        begun.clear()
        second = in_thread(pool, lambda: migrate("default", schema=schema, environment="tenant"))
        try:
            wait_until(lambda: arrived() or second.done() or begun.is_set(), 10)
        finally:
            go_on.set()
        assert (first.result(30), second.result(30)) == ([], [])


def test_second_waits_and_finds_it_done(made: str, write_migrations: Any, gate: Any) -> None:
    """A second run waits for the lock of the schema; then the migration is done, and is not applied again."""
    write_migrations(_0003_slow=SLOW.format(atomic=True))
    run_two(made, gate, someone_waits)
    assert seen(Tag.set_db("default", made).objects.all()) == [("migrated", ""), ("slow", "")]
    assert records("default", made) == records("default", "acme") | {("garage", "0003_slow")}


def test_second_waits_for_a_new_schema(committed: None, new_schema: str, write_migrations: Any, gate: Any) -> None:
    """While a run makes a new schema a second one waits for it, and then finds all done."""
    write_migrations(_0003_slow=SLOW.format(atomic=True))
    run_two(new_schema, gate, someone_waits)
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("migrated", ""), ("slow", "")]
    assert records("default", new_schema) == records("default", "acme") | {("garage", "0003_slow")}


def test_second_waits_for_a_non_atomic_migration(made: str, write_migrations: Any, gate: Any) -> None:
    """A migration without a transaction is not applied twice at the same time either."""
    write_migrations(_0003_slow=SLOW.format(atomic=False))
    run_two(made, gate, someone_waits)
    assert seen(Tag.set_db("default", made).objects.all()) == [("migrated", ""), ("slow", "")]
    assert records("default", made) == records("default", "acme") | {("garage", "0003_slow")}


def test_other_schemas_do_not_wait(made: str, write_migrations: Any, gate: Any) -> None:
    """While one schema is locked, another is migrated."""
    begun, go_on = gate
    write_migrations(
        _0003_lot="""
        class Migration(migrations.Migration):
            operations = [migrations.AddField("Lot", "fence", models.BooleanField(default=False))]
        """
    )
    with ThreadPoolExecutor(1) as pool, transaction.atomic(using="default"):
        lock_schema(SchemaAlias("default", "some-other-schema", "tenant"))
        in_thread(pool, lambda: migrate("default", schema=made, environment="tenant")).result(20)
    assert ("garage", "0003_lot") in records("default", made)
    assert not begun.is_set()
    assert not go_on.is_set()


def test_two_processes_make_one_schema(committed: None, new_schema: str, tmp_path: Path) -> None:
    """Two real processes that make the same schema at the same time both succeed; each migration is applied once."""
    urls = {variable: url(alias) for alias, variable in VARIABLES.items() if alias in connections.settings}
    environment = {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "django", "migrate_schema", "default", "--environment", "tenant"]
    with transaction.atomic(using="default"):
        # Both have started, and wait, before either can begin.
        lock_schema(SchemaAlias("default", new_schema, "tenant"))
        processes = [
            subprocess.Popen(
                [*command, "--schema", new_schema],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(2)
        ]
        try:
            wait_until(lambda: all_wait(2) or any(each.poll() is not None for each in processes), 30)
        except BaseException:
            for process in processes:
                process.kill()
            raise
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert seen(Tag.set_db("default", new_schema).objects.all()) == [("migrated", "")]
    assert records("default", new_schema) == records("default", "acme")
    assert catalog("default", new_schema) == catalog("default", "acme")
    flush("default", new_schema)


def all_wait(number: int) -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0] >= number)


def url(alias: str) -> str:
    """The test database of an alias, as a URL."""
    settings = connections.settings[alias] | connections[alias].settings_dict
    user = settings["USER"] + (f":{settings['PASSWORD']}" if settings["PASSWORD"] else "")
    return f"postgres://{user}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def test_plan_of_a_schema_that_is_not_there(new_schema: str) -> None:
    """A plan can be made without the schema, and makes nothing."""
    plan = make_plan(target_of(SchemaAlias("default", new_schema, "tenant")))
    steps = [(migration.app_label, migration.name) for migration, _ in plan.steps]
    assert set(steps) == records("default", "acme")
    assert {backwards for _, backwards in plan.steps} == {False}
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [new_schema])
        assert cursor.fetchone() == (0,)


def test_plan_of_a_schema_that_is_up_to_date(schemas: Any) -> None:
    """There is nothing to do, and the plan says so by being false."""
    plan = make_plan(target_of(SchemaAlias("default", "acme", "tenant")))
    assert (bool(plan), plan.steps, plan.unmigrated) == (False, [], [])


def test_progress_is_told(new_schema: str) -> None:
    """The caller hears of each migration of the environment, and of no other."""
    heard: list[tuple[str, str]] = []

    def progress(action: str, migration: Any = None, fake: bool = False) -> None:
        if action == "apply_success":
            heard.append((migration.app_label, migration.name))

    migrate_target(target_of(SchemaAlias("default", new_schema, "tenant")), progress=progress)
    assert set(heard) == records("default", new_schema)
    assert len(heard) == len(set(heard))


COLOUR = """
    class Migration(migrations.Migration):
        operations = [
            migrations.RunSQL("INSERT INTO garage_tag (name, witness) VALUES ('half', '')", migrations.RunSQL.noop),
            migrations.AddField("Tag", "colour", models.CharField(max_length=20, default="")),
        ]
"""


@contextmanager
def reader(schema: str) -> Iterator[Callable[[], None]]:
    """A session that has read a table and sits idle in its transaction; the result makes it read once more."""
    connection = connections["default"].copy()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'SELECT count(*) FROM "{schema}".garage_tag')
        try:
            yield lambda: cursor.execute(f'SELECT count(*) FROM "{schema}".garage_tag')
        finally:
            cursor.execute("ROLLBACK")
    connection.close()


def lock_timeout() -> str:
    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("backwards", [False, True], ids=["applied", "taken back"])
def test_lock_timeout(backwards: bool, made: str, write_migrations: Any) -> None:
    """Behind an idle reader a migration gives up in time, says where, and leaves the schema as it was."""
    write_migrations(_0003_colour=COLOUR)
    points = [("garage", "0002_ledger")] if backwards else None
    if backwards:
        migrate("default", schema=made, environment="tenant")
    target = target_of(SchemaAlias("default", made, "tenant"))
    before = catalog("default", made), records("default", made)
    with reader(made):
        with pytest.raises(SchemaLocked) as caught:
            migrate_target(target, points, lock_timeout="100ms")
        assert str(caught.value) == (
            "Migration garage.0003_colour could not be run in schema 'workshop' of database 'default': another session "
            "holds a lock on a table that it changes. The migration left nothing behind: run it again."
        )
        assert (catalog("default", made), records("default", made), lock_timeout()) == (*before, "0")
    migrate_target(target, points, lock_timeout="100ms")
    assert (("garage", "0003_colour") in records("default", made), lock_timeout()) == (not backwards, "0")


def test_lock_timeout_inside_of_a_transaction(made: str, write_migrations: Any) -> None:
    """In the caller's transaction the caller's own setting holds again afterwards."""
    write_migrations(_0003_colour=COLOUR)
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout TO '7s'")
        with reader(made), pytest.raises(SchemaLocked):
            migrate("default", schema=made, environment="tenant", lock_timeout="100ms")
        assert lock_timeout() == "7s"
        migrate("default", schema=made, environment="tenant", lock_timeout="100ms")
        assert lock_timeout() == "7s"


def test_lock_timeout_does_not_hold_for_the_schemas_lock(made: str, write_migrations: Any, gate: Any) -> None:
    """A second run waits for the first one as long as it takes: there is nothing left for it to do."""
    begun, go_on = gate
    write_migrations(_0003_slow=SLOW.format(atomic=True))
    with ThreadPoolExecutor(2) as pool:
        first = in_thread(pool, lambda: migrate("default", schema=made, environment="tenant"))
        assert begun.wait(20)
        second = in_thread(pool, lambda: migrate("default", schema=made, environment="tenant", lock_timeout="50ms"))
        try:
            wait_until(someone_waits)
            time.sleep(0.2)
        finally:
            go_on.set()
        assert (first.result(30), second.result(30)) == ([], [])
    assert seen(Tag.set_db("default", made).objects.all()) == [("migrated", ""), ("slow", "")]


def test_lock_timeout_that_is_not_one(made: str, write_migrations: Any) -> None:
    """A value that PostgreSQL does not take is a ConfigError, and nothing is done."""
    write_migrations(_0003_colour=COLOUR)
    with pytest.raises(ConfigError, match=r"^lock_timeout 'soon' is not valid: invalid value for parameter"):
        migrate("default", schema=made, environment="tenant", lock_timeout="soon")
    assert ("garage", "0003_colour") not in records("default", made)


def test_lock_timeout_of_the_command(made: str, write_migrations: Any) -> None:
    """The command stops at the schema that is locked, names it, and has done those before it."""
    write_migrations(_0003_colour=COLOUR)
    migrate("default", schema="showroom", environment="tenant")
    try:
        call_command("migrate_schema", "default", "garage", "0002", schema=["showroom"], verbosity=0)
        with reader(made), pytest.raises(CommandError, match=r"garage\.0003_colour .* in schema 'workshop'"):
            call_command("migrate_schema", "default", schema=["showroom", made], lock_timeout="100ms", verbosity=0)
        assert ("garage", "0003_colour") in records("default", "showroom")
        assert ("garage", "0003_colour") not in records("default", made)
    finally:
        flush("default", "showroom")


def test_same_name_in_another_database_does_not_wait(made: str) -> None:
    """The lock is that of a schema of one database: its namesake in another can be migrated meanwhile."""
    with ThreadPoolExecutor(1) as pool, transaction.atomic(using="default"):
        lock_schema(SchemaAlias("default", made, "tenant"))
        in_thread(pool, lambda: migrate("shard2", schema=made, environment="tenant")).result(30)
    assert records("shard2", made) == records("default", made)
    flush("shard2", made)


STOPPED = """
    import os, pathlib, time

    def add(apps, schema_editor):
        apps.get_model("garage", "Tag").objects.create(name="once", witness="")
        if "MIGRATION_BEGUN" in os.environ:
            pathlib.Path(os.environ["MIGRATION_BEGUN"]).touch()
            while not pathlib.Path(os.environ["MIGRATION_MAY_GO_ON"]).exists():
                time.sleep(0.01)

    class Migration(migrations.Migration):
        operations = [
            migrations.AddField("Lot", "fence", models.BooleanField(default=False)),
            migrations.RunPython(add, migrations.RunPython.noop),
        ]
"""


@pytest.mark.parametrize("killed", [False, True], ids=["first ends", "first is killed"])
def test_second_process(killed: bool, made: str, write_migrations: Any, tmp_path: Path) -> None:
    """A second process waits for the first; then it finds all done, or goes on where the first was killed."""
    package = write_migrations(_0003_stopped=STOPPED)
    (tmp_path / "stopped_settings.py").write_text(
        f"from tests.settings import *\n\nMIGRATION_MODULES = {{'garage': {package!r}}}\n"
    )
    begun, go_on = tmp_path / "begun", tmp_path / "go_on"
    urls = {variable: url(alias) for alias, variable in VARIABLES.items() if alias in connections.settings}
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    environment = {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "stopped_settings", "PYTHONPATH": path}
    command = [sys.executable, "-m", "django", "migrate_schema", "default", "--environment", "tenant"]

    def start(**variables: str) -> Any:
        return subprocess.Popen(
            [*command, "--schema", made],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    processes = [start(MIGRATION_BEGUN=str(begun), MIGRATION_MAY_GO_ON=str(go_on))]
    try:
        wait_until(lambda: begun.exists() or processes[0].poll() is not None, 30)
        processes.append(start())
        wait_until(lambda: someone_waits() or processes[1].poll() is not None, 30)
        processes[0].kill() if killed else go_on.touch()
        outputs = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [-9 if killed else 0, 0], "\n".join(outputs)
    assert ("Applying garage.0003_stopped... OK" in outputs[1]) is killed
    assert seen(Tag.set_db("default", made).objects.all()) == [("migrated", ""), ("once", "")]
    assert records("default", made) == records("default", "acme") | {("garage", "0003_stopped")}

"""The fleet in processes, which are killed; and two fleets at once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connections

from django_schemas.alias import SchemaAlias
from django_schemas.fleet import migrate_fleet
from tests.faults import faults_at, points_of, run
from tests.integration.django_schemas.fleets import brought, environment_of, states, tiny
from tests.integration.django_schemas.test_fleet_committed import drop_tiny, hosted, labels, read, recorded, write

pytestmark = [
    pytest.mark.usefixtures("hosted"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]
__all__ = ["hosted", "write"]

THREE = {
    "_0003_colour": """
        class Migration(migrations.Migration):
            operations = [migrations.AddField("Crate", "colour", models.CharField(max_length=9, null=True))]
    """,
    "_0004_row": """
        def add(apps, schema_editor):
            apps.get_model("crates", "Crate").objects.create(label="added")

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(add)]
    """,
    # It may be cut off anywhere, so it can be done twice.
    "_0005_not_atomic": """
        class Migration(migrations.Migration):
            atomic = False
            operations = [migrations.RunSQL("CREATE TABLE IF NOT EXISTS extra (id int)")]
    """,
}
NAMES = ["0003_colour", "0004_row", "0005_not_atomic"]
PROGRAM = """
import json, sys, threading, time
import django
django.setup()
from django_schemas.alias import SchemaAlias
from django_schemas.fleet import migrate_fleet

options = json.loads(sys.argv[2])
if options.pop("thread", False):
    threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
aliases = [SchemaAlias(*words) for words in json.loads(sys.argv[1])]
print("begun", flush=True)
for outcome in migrate_fleet(aliases, **options):
    print(outcome.alias.schema, outcome.state, outcome.error, flush=True)
"""


@pytest.fixture(autouse=True)
def _copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are copies of this process, with the migrations that a test has written, whatever threads others left."""
    monkeypatch.setattr("django_schemas.workers.threading.active_count", lambda: 1)


@pytest.fixture
def program(write: Any, tmp_path: Path) -> Callable[..., Any]:
    """Start a process that migrates a fleet by the three migrations."""
    environment = environment_of(tmp_path, write(**THREE))

    def start(aliases: list[SchemaAlias], **options: Any) -> Any:
        return begun(aliases, options, environment, stderr=subprocess.PIPE)

    return start


def begun(aliases: list[SchemaAlias], options: dict[str, Any], environment: dict[str, str], **pipes: Any) -> Any:
    """A process that has begun to migrate schemas, as it says itself."""
    words = [(alias.db, alias.schema, alias.environment) for alias in aliases]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(words), json.dumps(options)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        **pipes,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def is_whole(alias: SchemaAlias) -> bool:
    """Whether all was done to a schema, once, and nothing is left over."""
    return (
        labels(alias) == ["added"]
        and recorded(alias) == NAMES
        and read(alias, "SELECT count(*) FROM {}.extra") == [0]
        and read(alias, "SELECT count(colour) FROM {}.crates_crate") == [0]
    )


def wait_for_backends(pids: set[int]) -> None:
    """Wait until these sessions are over: they hold their locks until then, and may be in a statement."""
    for _ in range(3000):
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
            if not pids & {pid for (pid,) in cursor.fetchall()}:
                return
        time.sleep(0.01)
    raise TimeoutError


def other_backends() -> set[int]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' "
            "AND datname = ANY(%s)",
            [[connections[db].settings_dict["NAME"] for db in ("default", "shard2")]],
        )
        return {pid for (pid,) in cursor.fetchall()}


@pytest.mark.parametrize("part", [pytest.param(16, id="some"), pytest.param(1, id="all", marks=pytest.mark.long)])
def test_every_statement_can_be_the_last(part: int, write: Any) -> None:
    """Whatever fails, ends or is killed at whichever statement and commit: run again, all is done once."""
    write(**THREE)
    aliases = tiny("default", 2)

    def bring() -> dict[str, str]:
        return states(brought(aliases, retry_for_s=5))

    points = points_of(bring)
    wrong = []
    for fault in list(faults_at(points))[::part]:
        drop_tiny()
        tiny("default", 2)
        connections.close_all()
        run(bring, fault)
        found = bring()
        if not set(found.values()) <= {"migrated", "current"} or not all(map(is_whole, aliases)):
            wrong.append((fault, points[int(fault.at) - 1 : int(fault.at)], found))
    assert wrong == []
    assert set(bring().values()) == {"current"}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_any_time(processes: int, program: Any) -> None:
    """The process is killed at some moments: no worker lives on, and the next run does the rest."""
    chance = random.Random(processes)
    aliases = tiny("default", 60)
    before = other_backends()
    finished = 0
    for _ in range(5):
        process = program(aliases, processes=processes)
        time.sleep(chance.uniform(0.05, 0.6))
        workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while any(map(psutil.pid_exists, workers)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        wait_for_backends(other_backends() - before)
        now = sum(map(is_whole, aliases))
        assert now >= finished
        finished = now
    found = brought(aliases, processes=processes)
    assert set(states(found).values()) <= {"migrated", "current"}
    assert all(map(is_whole, aliases))


def test_worker_that_is_killed(write: Any, tmp_path: Path) -> None:
    """Its schema fails with the reason, and is left as it was; the others of its job are done by another worker."""
    flag = tmp_path / "may_go_on"
    write(
        _0003_kill=f"""
        import os, pathlib, signal
        from django_schemas import active_placement

        def add(apps, schema_editor):
            apps.get_model("crates", "Crate").objects.create(label="added")
            if active_placement("crates").schema == "tiny3" and not pathlib.Path({str(flag)!r}).exists():
                os.kill(os.getpid(), signal.SIGKILL)

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(add)]
        """
    )
    aliases = tiny("default", 40)
    found = brought(aliases, processes=2)
    assert {schema for schema, state in states(found).items() if state != "migrated"} == {"tiny3"}
    assert found["tiny3"].error == "The process that migrated it died (SIGKILL)."
    flag.touch()
    assert states(brought(aliases, processes=2))["tiny3"] == "migrated"
    assert [labels(alias) for alias in aliases] == [["added"]] * 40


def test_worker_that_is_killed_behind_its_last(write: Any, monkeypatch: Any) -> None:
    """One that dies when all of its job is told takes nothing with it."""
    from django_schemas import fleet

    def killed(connection: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(fleet, "recycle", killed)
    write(_0003_colour=THREE["_0003_colour"])
    aliases = tiny("default", 8)
    assert set(states(brought(aliases, processes=2)).values()) == {"migrated"}


def test_two_fleets_at_once(program: Any) -> None:
    """Each schema is brought along by one of them, once, whatever the other is at; both tell of all in the end."""
    aliases = [*tiny("default", 20), *tiny("shard2", 10, first=21)]
    processes = [program(aliases if number else aliases[::-1], processes=2) for number in range(2)]
    told = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    lines = [line.split(maxsplit=2) for out, _ in told for line in out.splitlines()]
    assert {state for _, state, *_ in lines} <= {"migrated", "current"}, lines
    assert sorted(schema for schema, *_ in lines) == sorted(2 * [alias.schema for alias in aliases])
    assert all(map(is_whole, aliases))


@pytest.mark.slow
def test_processes_beside_threads(program: Any) -> None:
    """Where other threads run, workers are no copies of the process, and do the same."""
    aliases = [*tiny("default", 4), *tiny("shard2", 4, first=5)]
    out, errors = program(aliases, thread=True, processes=2).communicate(timeout=60)
    assert sorted(line.split()[1] for line in out.splitlines()) == ["migrated"] * 8, errors
    assert all(map(is_whole, aliases))


@pytest.mark.long
def test_memory(write: Any) -> None:
    """A process that brings 2,000 schemas along is no larger than one that brings 200."""
    write(_0003_colour=THREE["_0003_colour"])
    sizes = []
    for first, number in ((1, 200), (201, 2000)):
        for start in range(first, first + number, 200):
            tiny("default", 200, first=start)
        aliases = [SchemaAlias("default", f"tiny{each}", "crates") for each in range(first, first + number)]
        counted = sum(outcome.state == "migrated" for outcome in migrate_fleet(aliases))
        assert counted == number
        sizes.append(psutil.Process().memory_info().rss / 1e6)
    assert sizes[1] - sizes[0] < 10, sizes


class TestPooler:
    pytestmark = pytest.mark.usefixtures("pooled")

    @pytest.mark.parametrize("processes", [1, 2])
    def test_atomic(self, processes: int, write: Any) -> None:
        """Through PgBouncer in transaction mode migrations are done as ever."""
        write(**{name: source for name, source in THREE.items() if "not_atomic" not in name})
        aliases = tiny("default", 10)
        assert set(states(brought(aliases, processes=processes)).values()) == {"migrated"}
        assert [labels(alias) for alias in aliases] == [["added"]] * 10
        assert read(aliases[0], "SHOW search_path") == ['"$user", public']

    def test_not_atomic(self, write: Any) -> None:
        """What needs a session of its own is refused, in words."""
        write(**THREE)
        aliases = tiny("default", 2)
        found = brought(aliases)
        assert set(states(found).values()) == {"failed"}
        assert "is not atomic, and database 'default' is reached through a pooler" in found["tiny1"].error
        assert recorded(aliases[0])[:2] == NAMES[:2]

"""A fleet under everything at once: schemas that can't be migrated, processes that are killed, long readers, and users.

Whatever happened, in the end each schema has each migration, once; and who reads elsewhere hardly waits.
"""

import random
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
from django.db import connections

from django_schemas.alias import SchemaAlias
from tests.integration.django_schemas.conftest import write_migrations
from tests.integration.django_schemas.fleets import environment_of, tiny
from tests.integration.django_schemas.test_fleet_committed import hosted, reading, write
from tests.integration.django_schemas.test_fleet_processes import (
    THREE,
    begun,
    is_whole,
    other_backends,
    wait_for_backends,
)

__all__ = ["hosted", "write", "write_migrations"]
pytestmark = [
    pytest.mark.usefixtures("hosted"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

POISONED = """
    import pathlib
    from django_schemas import active_placement

    def add(apps, schema_editor):
        apps.get_model("crates", "Crate").objects.create(label="added")
        if active_placement("crates").schema in pathlib.Path({poison!r}).read_text().split():
            raise ValueError("poisoned")

    class Migration(migrations.Migration):
        operations = [migrations.RunPython(add)]
"""


class User(Thread):
    """Reads a table of one schema after the other.

    Attributes:
        waits_s: how long each read took.
    """

    def __init__(self, aliases: list[SchemaAlias]) -> None:
        super().__init__()
        self.aliases = aliases
        self.waits_s: list[float] = []
        self.over = Event()

    def run(self) -> None:
        chance = random.Random(5)
        while not self.over.wait(0.01):
            alias = chance.choice(self.aliases)
            begun_s = time.monotonic()
            with connections[alias.db].cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {alias.schema}.crates_crate")
            self.waits_s.append(time.monotonic() - begun_s)
        connections.close_all()

    def __enter__(self) -> "User":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.join()


def killed(process: Any, before: set[int]) -> None:
    """Kill a fleet, and wait until nothing of it is left."""
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    wait_for_backends(other_backends() - before)


class Fleet:
    """A fleet that is migrated by processes of its own.

    Args:
        aliases: its schemas.
        environment: variables of the processes.
        options: for `migrate_fleet`.
    """

    def __init__(self, aliases: list[SchemaAlias], environment: dict[str, str], **options: Any) -> None:
        self.aliases = aliases
        self.environment = environment
        self.options = options

    def start(self, **options: Any) -> Any:
        return begun(self.aliases, {**self.options, **options}, self.environment)

    def outcomes(self, **options: Any) -> dict[str, str]:
        """What became of each schema."""
        process = self.start(**options)
        told, _ = process.communicate(timeout=600)
        assert process.returncode == 0
        return dict(line.split(maxsplit=2)[:2] for line in told.splitlines())

    def kill(self, after_s: float, before: set[int]) -> None:
        """Start it, kill it, and wait until nothing of it is left."""
        process = self.start()
        time.sleep(after_s)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        assert psutil.wait_procs(workers, timeout=30)[1] == []
        wait_for_backends(other_backends() - before)


def check(number: int, kills: int, processes: int, write: Any, tmp_path: Path) -> None:
    chance, poison = random.Random(number), tmp_path / "poison"
    half = number // 2
    aliases = [*tiny("default", half), *tiny("shard2", half, first=half + 1)]
    some = chance.sample(aliases, number * 4 // 100)
    # 3 of 100 can't be migrated, 1 of 100 is being read.
    sick, busy = some[: number * 3 // 100], some[number * 3 // 100 :]
    well = [alias for alias in aliases if alias not in some]
    poison.write_text(" ".join(alias.schema for alias in sick))
    package = write(**{**THREE, "_0004_row": POISONED.format(poison=str(poison))})
    fleet = Fleet(aliases, environment_of(tmp_path, package), processes=processes, lock_timeout="200ms", retry_for_s=1)
    with User(well) as user:
        with ExitStack() as readers:
            for alias in busy:
                readers.enter_context(reading(alias))
            time.sleep(0.5)
            before = other_backends()
            for _ in range(kills):
                fleet.kill(chance.uniform(0.2, 1.5), before)
            found = fleet.outcomes()
        assert {schema for schema, state in found.items() if state == "failed"} == {alias.schema for alias in sick}
        assert {schema for schema, state in found.items() if state == "locked"} == {alias.schema for alias in busy}
        poison.write_text("")
        found = fleet.outcomes()
    assert set(found.values()) <= {"migrated", "current"}
    assert [alias for alias in aliases if not is_whole(alias)] == []
    p95_s = sorted(user.waits_s)[int(len(user.waits_s) * 0.95)]
    print(f"{number} schemas, {kills} kills: {len(user.waits_s)} reads elsewhere, p95 {p95_s * 1e3:.0f} ms")
    assert p95_s < 1


@pytest.mark.slow
def test_fleet(write: Any, tmp_path: Path) -> None:
    """A hundred schemas, three kills."""
    check(100, 3, 2, write, tmp_path)


@pytest.mark.long
def test_fleet_at_length(write: Any, tmp_path: Path) -> None:
    """A thousand schemas, twenty kills, four processes."""
    check(1_000, 20, 4, write, tmp_path)

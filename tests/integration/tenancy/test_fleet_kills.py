"""`tenant migrate` is cut off: interrupted, or killed. What the journal says then, and how it is gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.utils import timezone

from tenancy.models import Tenant
from tenancy.runs import FleetRun, last_run
from tests.integration.django_schemas.fleets import environment_of
from tests.integration.tenancy.test_fleet import SLUGS, fleet, labels, migrate, states, tenant, write, write_migrations

pytestmark = [pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"), pytest.mark.slow]
__all__ = ["fleet", "write", "write_migrations"]

GATE = """
    import pathlib, time
    from django_schemas import active_placement

    def add(apps, schema_editor):
        apps.get_model("crates", "Crate").objects.create(label="added")
        if active_placement("crates").schema == "small-2":
            pathlib.Path({begun!r}).touch()
            while not pathlib.Path({go_on!r}).exists():
                time.sleep(0.01)

    class Migration(migrations.Migration):
        operations = [migrations.RunPython(add)]
"""


@pytest.fixture
def cut_off(fleet: list[Tenant], write: Any, tmp_path: Path) -> Iterator[Any]:
    """A `tenant migrate` in a process of its own that is in the midst of small-2, and has done others."""
    begun, go_on = tmp_path / "begun", tmp_path / "go_on"
    package = write(_0003_gate=GATE.format(begun=str(begun), go_on=str(go_on)))
    environment = environment_of(tmp_path, package, ENVIRONMENT="crates")

    def start(*words: str) -> Any:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "tenant", "migrate", *SLUGS, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not begun.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # For the others to be done, and the journal to be written.
        time.sleep(1.5)
        return process

    yield start
    go_on.touch()


def go_on_with(tmp_path: Path, each: list[Tenant]) -> None:
    """Resume it; then all is done once."""
    (tmp_path / "go_on").touch()
    deadline = time.monotonic() + 10
    while True:
        documents, failed = migrate("--resume")
        if not failed or time.monotonic() > deadline:
            break
    assert set(states(documents).values()) <= {"migrated", "current"}
    assert [labels(tenant) for tenant in each] == [["first", "added"]] * len(SLUGS)


@pytest.mark.parametrize("words", [[], ["--parallel", "2"]], ids=["one", "two processes"])
def test_interrupted(words: list[str], cut_off: Any, fleet: list[Tenant], tmp_path: Path) -> None:
    """^C ends it soon, with its workers; the journal says when, and --resume goes on."""
    process = cut_off(*words)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) == (2 if words else 0)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert not any(worker.is_running() for worker in workers)
    run = last_run()
    assert run is not None
    assert run.ended_at is not None
    assert timezone.now().timestamp() - run.ended_at.timestamp() < 10
    go_on_with(tmp_path, fleet)


@pytest.mark.parametrize("words", [[], ["--parallel", "2"]], ids=["one", "two processes"])
def test_killed(words: list[str], cut_off: Any, fleet: list[Tenant], tmp_path: Path) -> None:
    """The journal of a run that was killed has no end; `runs` says when it was seen last, and --resume goes on."""
    process = cut_off(*words)
    process.kill()
    # A worker that is in the midst of a tenant goes on to its end.
    process.wait()
    run = last_run()
    assert run is not None
    assert (run.ended_at, run.total) == (None, 4)
    assert run.seen_at >= run.started_at
    (told,) = json.loads(tenant("runs", "--json", "--limit", "1"))
    assert (told["ended_at"], told["selection"]["slugs"]) == (None, SLUGS)
    assert f"no; seen {run.seen_at:%H:%M:%S}" in tenant("runs")
    go_on_with(tmp_path, fleet)
    assert FleetRun.objects.filter(ended_at=None).count() == 1


def test_two_at_once(cut_off: Any, fleet: list[Tenant], tmp_path: Path) -> None:
    """The second leaves those that the first has in hand to it, and finds them done in the end."""
    process = cut_off("--parallel", "2")
    documents, failed = migrate(*SLUGS, "--retry-for", "0")
    assert states(documents)["small-2"] == "locked"
    assert documents["small-2"]["error"] == "SchemaLocked: Another process works on tenant 'small-2'."
    assert "small-2" in failed
    (tmp_path / "go_on").touch()
    documents, failed = migrate(*SLUGS)
    assert (states(documents), failed) == (dict.fromkeys(SLUGS, "current"), "")
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert [labels(each) for each in fleet] == [["first", "added"]] * len(SLUGS)

"""Workers: jobs are done here or in processes, each result is told with its job, and nobody waits for the dead."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from django_schemas import workers
from django_schemas.exceptions import SchemasError
from django_schemas.workers import Died, do


class Queue:
    """Jobs, of which more may come up when results are told, and later ones when their time has come."""

    def __init__(self, *jobs: Any, later_s: dict[Any, float] | None = None) -> None:
        self.ready = deque(jobs)
        self.stopped = False
        begun = time.monotonic()
        self.later = sorted((begun + wait_s, job) for job, wait_s in (later_s or {}).items())

    def take(self) -> Any:
        if self.ready:
            return self.ready.popleft()
        if self.later and self.later[0][0] <= time.monotonic():
            return self.later.pop(0)[1]
        return None

    def due_s(self) -> float | None:
        if self.ready:
            return 0.0
        return max(self.later[0][0] - time.monotonic(), 0.0) if self.later else None


def twice(job: Any) -> Iterator[Any]:
    yield f"{job}, first"
    yield f"{job}, second"


def where(job: Any) -> Iterator[int]:
    time.sleep(0.05)
    yield os.getpid()


def fail(job: Any) -> Iterator[Any]:
    yield "begun"
    raise ValueError(f"{job} can't be done")


def die(job: Any) -> Iterator[Any]:
    yield "begun"
    if job == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "leaving":
        os._exit(3)
    yield "done"


def die_behind(job: Any) -> Iterator[Any]:
    yield "done"
    if job == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)


def steps(job: Any) -> Iterator[int]:
    for number in range(1000):
        time.sleep(0.01)
        yield number


def endless(file: Any) -> Iterator[str]:
    yield "begun"
    while True:
        time.sleep(0.02)
        Path(file).write_text(str(time.monotonic()))


@contextmanager
def a_second_thread() -> Iterator[None]:
    """With another thread a process must not be a copy of this one."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def children() -> set[int]:
    """Python's processes that this one started, but for what multiprocessing keeps beside them."""
    found = {child.pid: " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)}
    return {pid for pid, words in found.items() if "python" in words and "resource_tracker" not in words}


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_result_with_its_job(processes: int) -> None:
    """More jobs than workers, each told once, in the order of its results."""
    found: dict[str, list[str]] = {}
    for job, result in do(Queue(*"abcdefg"), twice, processes):
        found.setdefault(job, []).append(result)
    assert found == {job: [f"{job}, first", f"{job}, second"] for job in "abcdefg"}
    assert children() == set()


def test_as_many_processes_as_asked_for() -> None:
    """Workers do one job after the other; there are no more of them than jobs."""
    assert len({pid for _, pid in do(Queue(*range(8)), where, 2)}) == 2
    assert len({pid for _, pid in do(Queue("one"), where, 3)}) == 1
    assert {pid for _, pid in do(Queue("one"), where)} == {os.getpid()}


@pytest.mark.slow
def test_processes_that_are_no_copies() -> None:
    """Where other threads run, processes begin anew, and set Django up."""
    with a_second_thread():
        found = sorted(result for _, result in do(Queue("a", "b", "c"), twice, 2))
    assert found == sorted(f"{job}, {which}" for job in "abc" for which in ("first", "second"))


@pytest.mark.parametrize("processes", [1, 2])
def test_jobs_that_come_up(processes: int) -> None:
    """What a result brings is done, and what is due later, in its time; nobody is busy waiting for it."""
    queue = Queue("a", later_s={"late": 0.3})
    seen = []
    begun, cpu = time.monotonic(), time.process_time()
    for _, result in do(queue, twice, processes):
        seen.append(result)
        if result == "a, second":
            queue.ready.append("b")
    assert sorted(seen) == sorted(f"{job}, {which}" for job in ("a", "b", "late") for which in ("first", "second"))
    assert time.monotonic() - begun >= 0.3
    assert time.process_time() - cpu < 0.2


@pytest.mark.parametrize(("processes", "error"), [(1, ValueError), (2, SchemasError)])
def test_work_that_raises(processes: int, error: type[Exception]) -> None:
    """The caller is told, and no process is left."""
    with pytest.raises(error, match="a can't be done"):
        list(do(Queue("a"), fail, processes))
    assert children() == set()


@pytest.mark.parametrize(("job", "how"), [("deadly", "SIGKILL"), ("leaving", "exit code 3")])
def test_worker_that_dies(job: str, how: str) -> None:
    """It is told how, with the job that it had; the others are done by another."""
    found = list(do(Queue("a", job, "b", "c"), die, 2))
    assert [(each, result) for each, result in found if isinstance(result, Died)] == [(job, Died(how))]
    assert sorted(each for each, result in found if result == "done") == ["a", "b", "c"]
    assert children() == set()


def test_worker_that_dies_idle() -> None:
    """One that dies when it has nothing to do is replaced; no job is lost or blamed."""
    queue = Queue("a")
    found = []

    def kill(pid: int) -> None:
        time.sleep(0.4)
        os.kill(pid, signal.SIGKILL)

    for job, result in do(queue, where, 2):
        found.append(job)
        assert not isinstance(result, Died)
        if job == "a":
            threading.Thread(target=kill, args=(result,)).start()
            queue.later.append((time.monotonic() + 1, "b"))
    assert found == ["a", "b"]


@pytest.mark.parametrize("processes", [1, 2])
def test_stopped(processes: int) -> None:
    """Jobs in hand are ended behind the result that comes next, in whichever process."""
    queue = Queue("a", "b")
    found = []
    for job, _ in do(queue, steps, processes):
        found.append(job)
        if len(found) == 5:
            queue.stopped = True
            queue.ready.clear()
    assert len(found) < 20
    assert children() == set()


@pytest.mark.parametrize("processes", [1, 2])
def test_closed_early(processes: int, tmp_path: Path) -> None:
    """Who stops listening ends the workers, also those in the midst of it."""
    results = do(Queue(str(tmp_path / "a"), str(tmp_path / "b")), endless, processes)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert children() == set()


SCRIPT = """
import django, sys, time
django.setup()
from django_schemas.workers import do
from tests.unit.django_schemas.test_workers import Queue, endless, steps

def main():
    results = do(Queue(*sys.argv[2:]), endless if sys.argv[1] == "busy" else steps, 2)
    next(results), next(results)
    print("begun", flush=True)
    if sys.argv[1] == "raise":
        raise ValueError("the caller's own")
    time.sleep(60)

main()
"""


def start(*arguments: str) -> Any:
    """A process that has two workers."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def gone(pids: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_parent_that_is_killed() -> None:
    """Workers notice that nobody listens any more as they tell of the next result, and end."""
    process = start("steps", "a", "b")
    pids = [child.pid for child in psutil.Process(process.pid).children()]
    assert len(pids) == 2
    process.kill()
    process.communicate()
    assert gone(pids, 10)


def test_parent_that_is_interrupted(tmp_path: Path) -> None:
    """^C ends the parent at once, and it the workers, whatever they are at."""
    process = start("busy", str(tmp_path / "a"), str(tmp_path / "b"))
    pids = [child.pid for child in psutil.Process(process.pid).children()]
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert told.count("KeyboardInterrupt") >= 1
    assert gone(pids, 5)


def test_parent_that_fails(tmp_path: Path) -> None:
    """An error of the caller's own, who holds the iterator, ends the process: it does not wait for its workers."""
    process = start("raise", "a", "b")
    _, told = process.communicate(timeout=20)
    assert (process.returncode, "the caller's own" in told) == (1, True)


def test_no_transaction_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes could not see what an open transaction did: they are refused."""

    class Connections(dict[str, Any]):
        pass

    class Open:
        in_atomic_block = True

    monkeypatch.setattr(workers, "connections", Connections(default=Open()))
    with pytest.raises(SchemasError, match=r"call this outside of atomic\(\)"):
        list(do(Queue("a"), twice, 2))

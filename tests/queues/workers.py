"""Workers in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tests.queues.app import app
from tests.serving import site_environment

__all__ = ["Worker", "working"]

COMMAND = (
    "-m celery -A tests.queues.worker worker -P {pool} -c {concurrency} -l {level} --without-gossip --without-mingle "
    "--without-heartbeat -n {name}@here"
)


class Worker:
    """A worker of so many processes or threads; in a group of its own, so that all of it can be killed."""

    def __init__(self, pool: str, queue: str, concurrency: int, databases: Any, **tenancy: Any) -> None:
        self._command = COMMAND.format(
            pool=pool, concurrency=concurrency, level=os.environ.get("CELERY_LEVEL", "CRITICAL"), name=pool
        )
        queues = {"QUEUES_REDIS": str(app.conf.broker_url), "QUEUES_QUEUE": queue}
        self._environment = {**site_environment(databases, **tenancy), **queues}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self._command.split()], env=self._environment, start_new_session=True
        )

    def children(self) -> list[int]:
        """Process ids of those that run tasks, in a pool of processes."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def kill_child(self, pid: int) -> None:
        """One of these; another takes its place."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """As a machine that loses power."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def working(
    pool: str, queue: str, concurrency: int = 2, databases: dict[str, Any] | None = None, **tenancy: Any
) -> Iterator[Worker]:
    """Work, and stop when left.

    Args:
        pool: what runs tasks: prefork, threads, solo, gevent.
        queue: what it takes tasks from; `celery` is where they go if none is said.
        concurrency: how many at a time.
        databases: what is different, by alias.
        tenancy: settings in TENANCY that are different.
    """
    worker = Worker(pool, queue, concurrency, databases, **tenancy)
    try:
        yield worker
    finally:
        worker.stop()

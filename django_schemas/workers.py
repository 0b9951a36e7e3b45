"""Workers: does jobs one after the other here, or several at a time in processes, and tells of each result at once.

Processes, since Python runs one thread at a time. They are copies of this one where that is safe, so what it has loaded
and made is theirs without a second's start; a worker that dies is replaced, and takes its job alone with it.
"""

import multiprocessing
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from time import sleep
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

import django
from django.db import connections

from .apart import hang_up
from .exceptions import SchemasError

__all__ = ["Died", "Jobs", "Work", "do"]

_J = TypeVar("_J")
_J_co = TypeVar("_J_co", covariant=True)
_R = TypeVar("_R")

Work = Callable[[_J], Iterable[_R]]
"""Does a job, and yields its results one by one. For several processes it must be of a module's top level. It is closed
behind a result if no more is to be done.
"""


class Jobs(Protocol[_J_co]):
    """What is to be done. More may come up as results are told."""

    @property
    def stopped(self) -> bool:
        """Whether no more is to be done: jobs that are begun are ended behind the result that comes next."""

    def take(self) -> _J_co | None:
        """The next job; None if there is none just now."""

    def due_s(self) -> float | None:
        """In how many seconds there may be one; None if there will be none, unless a result brings one."""


@dataclass(frozen=True, slots=True)
class Died:
    """A worker that died before its job was done.

    Attributes:
        how: its exit code, or the signal that killed it.
    """

    how: str


def do(jobs: Jobs[_J], work: Work[_J, _R], processes: int = 1) -> Iterator[tuple[_J, _R | Died]]:
    """Do jobs; yield each with each of its results.

    Args:
        jobs: what is to be done.
        work: does it.
        processes: how many jobs are done at a time.

    Raises:
        SchemasError: several processes are to work, and a transaction is open that they could not see into.
    """
    return _apart(jobs, work, processes) if processes > 1 else _here(jobs, work)


def _here(jobs: Jobs[_J], work: Work[_J, _R]) -> Iterator[tuple[_J, _R | Died]]:
    while True:
        job = jobs.take()
        if job is not None:
            for result in work(job):
                yield job, result
                if jobs.stopped:
                    break
        elif (due_s := jobs.due_s()) is not None:
            sleep(due_s)
        else:
            return


def _apart(jobs: Jobs[_J], work: Work[_J, _R], processes: int) -> Iterator[tuple[_J, _R | Died]]:
    workers: list[_Worker[_J, _R]] = []
    try:
        while True:
            idle = [worker for worker in workers if worker.job is None]
            while (idle or len(workers) < processes) and (job := jobs.take()) is not None:
                # One that died while it had nothing to do is replaced.
                while idle and not idle[-1].begin(job):
                    workers.remove(idle.pop())
                if idle:
                    idle.pop()
                else:
                    workers.append(_Worker(work))
                    workers[-1].begin(job)
            if jobs.stopped:
                for worker in workers:
                    worker.stop()
            busy = {worker.pipe: worker for worker in workers if worker.job is not None}
            due_s = jobs.due_s()
            if busy:
                for pipe in wait(list(busy), due_s if len(busy) < processes else None):
                    worker = busy[pipe]
                    yield from worker.results()
                    if not worker.alive:
                        workers.remove(worker)
            elif due_s is not None:
                sleep(due_s)
            else:
                return
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[_J, _R]):
    """A process, and the job that it has."""

    def __init__(self, work: Work[_J, _R]) -> None:
        if any(connections[alias].in_atomic_block for alias in connections):
            raise SchemasError("Several processes can't work inside a transaction: call this outside of atomic().")
        settings = {alias: connections[alias].settings_dict for alias in connections}
        # A copy would share them.
        connections.close_all()
        hang_up()
        # A copy has none of this process's threads, and whatever locks they hold.
        copies = sys.platform == "linux" and threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if copies else "spawn")
        self.pipe, theirs = context.Pipe()
        _ends.add(self.pipe)
        # A process that starts afresh can read what is of a project when that is set up there.
        given = (theirs, work) if copies else (theirs, pickle.dumps(work), settings)
        self._process = context.Process(target=_serve if copies else _serve_afresh, args=given)
        self._process.start()
        theirs.close()
        # Python waits for its processes as it exits, and these for their pipes, if the iterator is held until then: by
        # an exception that nobody caught, for one.
        Finalize(self, self._process.terminate, exitpriority=0)
        self.job: _J | None = None
        self.alive = True
        self._stopped = False

    def begin(self, job: _J) -> bool:
        """Have it do a job; tell whether it lives to do it."""
        try:
            self.pipe.send(job)
        except OSError:
            self._process.join()
            return False
        self.job = job
        return True

    def stop(self) -> None:
        """Have it end its job behind what it is at."""
        if self.job is not None and not self._stopped:
            self._stopped = True
            with suppress(OSError):
                self.pipe.send(None)

    def results(self) -> Iterator[tuple[_J, _R | Died]]:
        """What it has to tell just now."""
        job = self.job
        assert job is not None
        try:
            more, result = self.pipe.recv()
        except (EOFError, OSError):
            self.alive = False
            self._process.join()
            code = self._process.exitcode or 0
            yield job, Died(signal.Signals(-code).name if code < 0 else f"exit code {code}")
            return
        if more:
            yield job, result
        else:
            self.job = None
            if result is not None:
                raise result

    def end(self) -> None:
        """End it; what it does not commit by then is not done."""
        self.pipe.close()
        if self.job is not None:
            self._process.terminate()
        self._process.join()


_ends: WeakSet[Connection] = WeakSet()
"""The parent's ends of all pipes. As long as a copy has one open, nobody notices that the parent is gone."""


def _serve_afresh(pipe: Connection, work: bytes, settings: dict[str, dict[str, Any]]) -> None:
    """Do what is asked for in a process that has nothing yet."""
    django.setup()
    for alias, values in settings.items():
        connections[alias].settings_dict.update(values)
    _serve(pipe, pickle.loads(work))


def _serve(pipe: Connection, work: Work[Any, Any]) -> None:
    """Do what is asked for until nobody asks any more."""
    for end in _ends:
        end.close()
    # Whoever types ^C means the parent, which ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while True:
            job = pipe.recv()
            if job is None:
                # To stop, which came too late.
                continue
            try:
                for result in work(job):
                    pipe.send((True, result))
                    if pipe.poll():
                        # To stop: nothing else is said to one that is at work.
                        break
            except Exception as error:
                pipe.send((False, SchemasError(f"{type(error).__name__}: {error}")))
            else:
                pipe.send((False, None))
    except (EOFError, OSError):
        pass
    finally:
        connections.close_all()

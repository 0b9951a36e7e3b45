"""The fleet: brings many schemas of an environment, in any number of databases, to the newest migrations, or to others.

What they have recorded is read for 500 at a time. Those that stand at the same point follow the same course, for which
plan and states are made once: what is left to each are its own statements, in its own transactions. A schema that fails
stops itself alone; one whose lock is not had in time lets its users go on, and is tried again later. The records tell
what was done, whatever ended the process: done again, the fleet goes on where it was.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from itertools import chain, count, zip_longest
from time import monotonic, perf_counter
from typing import Literal, NamedTuple

from django.db import OperationalError, connections, transaction

from .alias import SchemaAlias
from .exceptions import SchemaLocked
from .history import Point
from .migrator import migrate_target
from .placement import Placement
from .plans import target_of
from .records import Key, Records
from .recycling import recycle
from .schemas import is_locked, local_lock_timeout, lock_refused, schema_exists
from .sqlstates import DEADLOCK, sqlstate_of
from .survey import Cohort, Survey, forget_ways, not_there, survey
from .workers import Died, do

__all__ = ["Held", "Outcome", "State", "look", "migrate_fleet"]

State = Literal["migrated", "current", "failed", "locked", "left"]
"""What became of a schema: `migrated`; `current`: there was nothing to do; `failed`; `locked`: a lock was not had, of a
table or since another process works on it; `left`: it was not begun, since others had failed.
"""

_DONE: tuple[State, ...] = ("migrated", "current")

_AT_ONCE = 50
"""How many schemas a worker takes at a time, at most."""
_SHARES = 4
"""Of how many jobs, at least, each of several workers gets one after the other, so that all end at about one time."""
_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a schema.

    Attributes:
        alias: which.
        state: see `State`.
        applied: migrations that were run, by app and name; that are to be run, if it was only looked at.
        backwards: whether these were taken back.
        error: why not.
        seconds: how long it took.
        records: what it has recorded now, if that is known.
    """

    alias: SchemaAlias
    state: State
    applied: Sequence[Key] = ()
    error: str = ""
    seconds: float = 0.0
    backwards: bool = False
    records: Records | None = None


Todo = Sequence[tuple[Cohort, list[SchemaAlias]]]
"""Cohorts, each with those of its schemas that have something to do."""

Held = Callable[[Sequence[SchemaAlias]], AbstractContextManager[Mapping[Placement, Exception]]]
"""Called with the schemas that a worker takes, and entered while it works on them. Tells which it must leave alone, and
why: SchemaLocked if it may be tried again. Of a module's top level, for several processes.
"""


def look(
    aliases: Sequence[SchemaAlias],
    points: Sequence[Point] | None = None,
    owners: Mapping[Placement, str] | None = None,
) -> list[Outcome]:
    """Tell what `migrate_fleet` would do, without doing it; arguments as there."""
    found = survey(aliases, points, owners or {})
    outcomes = _settled(found)
    for cohort, members in found.todo:
        way = cohort.way()
        outcomes += (Outcome(alias, "left", way.steps, backwards=way.backwards) for alias in members)
    forget_ways()
    return outcomes


def migrate_fleet(
    aliases: Sequence[SchemaAlias],
    points: Sequence[Point] | None = None,
    *,
    owners: Mapping[Placement, str] | None = None,
    processes: int = 1,
    lock_timeout: str | None = "2s",
    retry_for_s: float = 60.0,
    canary: int = 0,
    max_failures: int | None = None,
    held: Held | None = None,
) -> Generator[Outcome, None, None]:
    """Migrate schemas; yield what became of each as soon as it is known.

    Args:
        aliases: the schemas, which exist. A name may occur in several databases.
        points: where they are to be, as (app label, migration name or None); at the newest migrations if None.
        owners: the word that a schema's mark must bear; any will do for those that are not named.
        processes: how many are migrated at a time, each with a session of its own.
        lock_timeout: how long a migration waits for a table, and its users behind it, as PostgreSQL writes it: "2s",
            "200ms". The server's own setting if None.
        retry_for_s: for how many seconds those are tried again whose locks were not had, when all others are done.
        canary: how many are migrated before all others, one by one: if one of them is not, no other is begun.
        max_failures: after how many that were not migrated no other is begun; they don't count if None.
        held: see `Held`.

    Raises:
        ConfigError: PostgreSQL does not take this `lock_timeout`.
    """
    found = survey(aliases, points, owners or {})
    try:
        yield from _settled(found)
        for db in {cohort.db for cohort, _ in found.todo}:
            with transaction.atomic(using=db), local_lock_timeout(db, lock_timeout):
                pass
        _prepare(found.todo)
        number = sum(len(members) for _, members in found.todo)
        at_once = _AT_ONCE if processes == 1 else min(_AT_ONCE, -(-number // (processes * _SHARES)))
        jobs = _Jobs(found.todo, retry_for_s, at_once)
        run = partial(_run, owners=owners or {}, lock_timeout=lock_timeout, held=held)
        failures = len(found.refused)
        if max_failures is not None and failures >= max_failures:
            jobs.stop(f"{failures} were not migrated")
        canaries = jobs.first(0 if jobs.stopped else canary)
        for outcome in _outcomes(canaries, run, 1):
            yield outcome
            if outcome.state not in _DONE:
                for each in (canaries, jobs):
                    each.stop(f"canary {outcome.alias.placement} was not migrated")
        for outcome in _outcomes(jobs, run, processes):
            yield outcome
            failures += outcome.state not in _DONE
            if max_failures is not None and failures >= max_failures:
                jobs.stop(f"{failures} were not migrated")
        yield from (*canaries.left(), *jobs.left())
    finally:
        forget_ways()


def _prepare(todo: Todo) -> None:
    """Make what schemas share, before processes are made, which are copies of this one."""
    for cohort, _ in todo:
        course = cohort.way().course
        if course is not None:
            # If that can't be done, each schema is told.
            with suppress(Exception):
                course.prepare()


@dataclass
class _Job:
    """Some schemas of a cohort for a worker.

    Attributes:
        cohort: theirs.
        aliases: the schemas; those that are done with are taken out.
        before: what became of it when it was tried before, of one that is tried again.
        tries: how often that was.
        since_s: when it was tried again first, by the monotonic clock; None: not yet.
    """

    cohort: Cohort
    aliases: list[SchemaAlias]
    before: Outcome | None = None
    tries: int = 0
    since_s: float | None = None


class _Jobs:
    """The jobs: one cohort after the other in each database, all databases at once; behind them what is tried again.

    Args:
        todo: what is to be done.
        retry_for_s: as for `migrate_fleet`.
        at_once: how many schemas a job is of, at most.
    """

    def __init__(self, todo: Todo, retry_for_s: float, at_once: int = _AT_ONCE) -> None:
        self.retry_for_s = retry_for_s
        by_db: defaultdict[str, list[_Job]] = defaultdict(list)
        for cohort, members in todo:
            for start in range(0, len(members), at_once):
                by_db[cohort.db].append(_Job(cohort, members[start : start + at_once]))
        mixed = chain.from_iterable(zip_longest(*by_db.values()))
        self._ready = deque(job for job in mixed if job is not None)
        self._later: list[tuple[float, int, _Job]] = []
        self._all = list(self._ready)
        self._number = count()
        self._why = ""

    @property
    def stopped(self) -> bool:
        """Whether no more is begun."""
        return bool(self._why)

    def take(self) -> _Job | None:
        """The next one."""
        if self._why:
            return None
        if self._ready:
            return self._ready.popleft()
        if not self._later or self._later[0][0] > monotonic():
            return None
        _, _, job = heappop(self._later)
        job.since_s = job.since_s or monotonic()
        return job

    def due_s(self) -> float | None:
        """When there will be one."""
        if self._why or not (self._ready or self._later):
            return None
        return 0.0 if self._ready else max(self._later[0][0] - monotonic(), 0.0)

    def again(self, job: _Job, outcome: Outcome) -> bool:
        """Have a schema tried again, unless that was done for long enough."""
        now_s = monotonic()
        wait_s = min(_BACKOFF_S * 2**job.tries, _LONGEST_BACKOFF_S)
        if self._why or now_s + wait_s - (job.since_s or now_s) > self.retry_for_s:
            return False
        again = _Job(job.cohort, [outcome.alias], outcome, job.tries + 1, job.since_s)
        self._all.append(again)
        heappush(self._later, (now_s + wait_s, next(self._number), again))
        return True

    def put_back(self, job: _Job) -> None:
        """Have the rest of a job done by another worker."""
        if job.aliases:
            self._ready.appendleft(job)

    def first(self, number: int) -> "_Jobs":
        """Take the first schemas out, to be done before the others, one by one."""
        canaries = _Jobs((), self.retry_for_s)
        while number > 0 and self._ready:
            job = self._ready[0]
            canaries._ready.append(_Job(job.cohort, [job.aliases.pop(0)]))
            number -= 1
            if not job.aliases:
                self._ready.popleft()
        canaries._all += canaries._ready
        return canaries

    def stop(self, why: str) -> None:
        """Begin no more."""
        self._why = self._why or why

    def left(self) -> Iterator[Outcome]:
        """What was not begun, or was to be tried again."""
        for job in self._all:
            for alias in job.aliases:
                yield job.before or Outcome(alias, "left", error=f"Not begun: {self._why}.")


def _settled(found: Survey) -> list[Outcome]:
    """Those that need not, or must not, be migrated."""
    refused = [Outcome(alias, "failed", error=_told(error)) for alias, error in found.refused]
    return [*(Outcome(alias, "current") for alias in found.current), *refused]


def _outcomes(jobs: _Jobs, run: Callable[[_Job], Iterator[Outcome]], processes: int) -> Iterator[Outcome]:
    """Do jobs; tell of each schema that is done with."""
    for job, outcome in do(jobs, run, processes):
        if isinstance(outcome, Died):
            if job.aliases:
                # What it had in hand is known to have killed it; the others had not begun.
                error = f"The process that migrated it died ({outcome.how})."
                died = Outcome(job.aliases.pop(0), "failed", error=error)
                jobs.put_back(job)
                yield died
            continue
        job.aliases.remove(outcome.alias)
        if outcome.state != "locked" or not jobs.again(job, outcome):
            yield _with_records(job.cohort, outcome)


def _with_records(cohort: Cohort, outcome: Outcome) -> Outcome:
    """The same, with what is recorded, if the schema was brought all the way; another process may have done a part."""
    if outcome.state != "migrated" or outcome.applied != cohort.way().steps:
        return outcome
    return replace(outcome, records=cohort.way().behind)


def _run(
    job: _Job, *, owners: Mapping[Placement, str], lock_timeout: str | None, held: Held | None
) -> Iterator[Outcome]:
    """Do a job, in whichever process this is."""
    with _holding(job.aliases, held) as refused:
        for alias in list(job.aliases):
            begun_s = perf_counter()
            error = refused.get(alias.placement)
            did = _NOTHING
            if error is None:
                try:
                    did = _migrate(job.cohort, alias, owners.get(alias.placement), lock_timeout)
                except Exception as caught:
                    error = caught
                    _mend(alias.db)
            state: State = "migrated" if did else "current"
            if error is not None:
                state = "locked" if _is_lock(error) else "failed"
            told = "" if error is None else _told(error)
            seconds = round(perf_counter() - begun_s, 6)
            yield Outcome(alias, state, did.steps, told, seconds, did.backwards)
    recycle(connections[job.cohort.db])


@contextmanager
def _holding(aliases: Sequence[SchemaAlias], held: Held | None) -> Iterator[Mapping[Placement, Exception]]:
    """Which are to be left alone; all, if that can't be found out."""
    with ExitStack() as stack:
        refused: Mapping[Placement, Exception] = {}
        if held is not None:
            try:
                refused = stack.enter_context(held(aliases))
            except Exception as error:
                refused = dict.fromkeys((alias.placement for alias in aliases), error)
        yield refused


class _Did(NamedTuple):
    """What was done to a schema."""

    steps: tuple[Key, ...] = ()
    backwards: bool = False
    tables: bool = False

    def __bool__(self) -> bool:
        return bool(self.steps) or self.tables


_NOTHING = _Did()


def _migrate(cohort: Cohort, alias: SchemaAlias, owner: str | None, lock_timeout: str | None) -> _Did:
    course = cohort.way().course
    target = target_of(alias)
    if course is not None:
        done = course.follow(
            target, lock_timeout=lock_timeout, wait=False, verbosity=0, interactive=False, stdout=sys.stdout
        )
        return _Did(tuple(done))
    if not schema_exists(alias.db, alias.schema):
        # An empty one that were made anew would pass for it.
        raise not_there(alias)
    if is_locked(alias):
        raise lock_refused(alias)
    plan = migrate_target(target, cohort.points, owner=owner, lock_timeout=lock_timeout)
    steps = tuple((migration.app_label, migration.name) for migration, _ in plan.steps)
    return _Did(steps, any(backwards for _, backwards in plan.steps), bool(plan.unmigrated))


def _is_lock(error: Exception) -> bool:
    if isinstance(error, SchemaLocked):
        return True
    return isinstance(error, OperationalError) and sqlstate_of(error) == DEADLOCK


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip()


def _mend(db: str) -> None:
    """Have the next schema find a connection that works."""
    if not connections[db].in_atomic_block:
        connections[db].close_if_unusable_or_obsolete()

"""The course: what brings every schema that stands at one point of its environment's migrations to another point.

Plan and project states, before and behind each operation, are made and rendered once; then each schema follows by the
statements of its own alone.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from copy import copy
from functools import cached_property
from typing import Any

from django.db import DatabaseError, OperationalError, connections, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django.dispatch import Signal

from .announcing import Step, announce, has_others, inject, permissions_changed, render_real_models
from .caches import forget, forget_historic
from .context import activate
from .executor import Progress, lock_named
from .hearing import Heard
from .history import History
from .legs import Leg, Move, Tape, begin_in, editing, run_leg
from .records import ARRIVAL_DUE, Key, add_records, forget_record, is_recorded
from .recycling import note_seen
from .schemas import local_lock_timeout
from .search_path import local_search_path
from .target import Target, target_is

__all__ = ["Course"]


class Course:
    """From some records to some points, for any schema of an environment.

    Args:
        history: the project's migrations, with the records.
        sequence: migrations to run, and between them those of other apps, which only add to the state.
        before: the project's state where it begins.
        kept: whether states are kept for the next schema that follows, or made anew for each.
    """

    def __init__(self, history: History, sequence: Sequence[Step], before: ProjectState, *, kept: bool = True) -> None:
        self.labels = history.labels
        self.before = before
        self._sequence = [migration for migration, _ in sequence]
        # Receivers may change the operations of what they are given.
        self.steps = [(_copy(step), False) for step in self._sequence if step.app_label in self.labels]
        self.closing = _closing(history, self.steps)
        self.due = history.is_due
        self._known = len(history.recorded)
        self._keeps = kept
        self._kept: list[Leg] | None = None
        self._last: ProjectState | None = None
        self._found: dict[tuple[Key, int], Move] = {}
        if self.steps:
            inject(history.target, before.apps, self.steps)
        self._target = history.target
        self._others: dict[Signal, bool] = {}

    def __bool__(self) -> bool:
        return bool(self.steps or self.closing or self.due)

    @property
    def applies(self) -> list[Key]:
        """The migrations that it runs."""
        return [(migration.app_label, migration.name) for migration, _ in self.steps]

    @property
    def is_plain(self) -> bool:
        """Whether its migrations are run as Django runs them; a class of the project's own may have it otherwise."""
        return all(type(migration).apply is Migration.apply for migration, _ in self.steps)

    @property
    def is_atomic(self) -> bool:
        """Whether all of it can be in one transaction."""
        return all(migration.atomic for migration, _ in self.steps)

    def follow(
        self,
        target: Target,
        *,
        lock_timeout: str | None = None,
        wait: bool = True,
        progress: Progress | None = None,
        tape: Tape | None = None,
        **options: Any,
    ) -> list[Key]:
        """Bring a schema along: each migration with its records; what post_migrate does goes with the last.

        Args:
            target: the schema, which has a table of records.
            lock_timeout: how long to wait for a table, as PostgreSQL writes it; the server's own setting if None.
            wait: whether to wait for another process that works on this schema's structure.
            progress: told of each migration.
            tape: listens.
            options: for receivers of pre_migrate and post_migrate: verbosity, interactive, stdout.

        Returns:
            The migrations that were run; not those that another process ran in the meantime.

        Raises:
            SchemaLocked: another process works on it, or a table's lock was not had in time.
            SchemasError: another process took migrations back in the meantime.
            Exception: whatever a migration raises; it left nothing behind.
        """
        alias = target.alias
        assert alias is not None
        done: list[Key] = []
        with target_is(target), activate(alias):
            # Whether Python is run that may look at rows.
            ran = not self._keeps or self._has_others(models.signals.pre_migrate)
            try:
                steps = self.announced(target, **options)
                for number, leg in enumerate(self._legs(steps), start=1):
                    if not (wait or progress or tape) and self._sent_whole(target, leg, lock_timeout):
                        done.append((leg.migration.app_label, leg.migration.name))
                        continue
                    ran = True
                    with (
                        editing(target, leg.migration, lock_timeout, wait) as editor,
                        tape.leg(leg) if tape else nullcontext(),
                    ):
                        if not self._ran(target, leg, (number, len(steps)), editor, tape, progress):
                            continue
                        done.append((leg.migration.app_label, leg.migration.name))
                        if number == len(steps):
                            with nullcontext() if leg.migration.atomic else transaction.atomic(using=alias.db):
                                self._arrive(target, tape, steps, leg, placed=leg.migration.atomic, **options)
                    _tell(progress, "apply_success", leg.migration)
                if not steps:
                    ran = True
                    self._close(target, lock_timeout, wait, **options)
            finally:
                forget(alias.db, alias.schema)
                if ran:
                    self._forget_historic()
        return done

    def prepare(self) -> None:
        """Make what schemas share, before the first follows."""
        # Historic models are told apart by what is being migrated: whose tables are named in full.
        with target_is(self._target):
            self._legs(self.steps)
            _ = self.changed

    def _sent_whole(self, target: Target, leg: Leg, lock_timeout: str | None) -> bool:
        """Send a migration as others had it, in one message; tell whether that was done."""
        alias = target.alias
        assert alias is not None
        if leg.heard is None or connections[alias.db].in_atomic_block or self._is_heard(target):
            return False
        message = leg.heard.whole(alias, target.search_path, leg.records, lock_timeout)
        if message is None:
            return False
        note_seen(connections[alias.db], (alias.schema,))
        with lock_named(alias, leg.migration):
            try:
                with connections[alias.db].cursor() as cursor:
                    cursor.execute(message)
            except OperationalError:
                # A lock that was not had, a connection that is lost.
                raise
            except DatabaseError:
                # What is in the way is told by going step by step.
                return False
        return True

    def _ran(
        self,
        target: Target,
        leg: Leg,
        behind: tuple[int, int],
        editor: BaseDatabaseSchemaEditor,
        tape: Tape | None,
        progress: Progress | None,
    ) -> bool:
        """Run and record a migration, the first of the pair of so many; tell whether no other process had done so."""
        alias = target.alias
        assert alias is not None
        records = leg.records if tape else [*leg.records, *self._due(target, leg, *behind)]
        # In one transaction with what it tells of, where there is one; else behind it.
        if leg.migration.atomic:
            if not add_records(alias, records, self._known, leg.heard.recorded if leg.heard else None):
                return False
        elif is_recorded(alias, leg.records[0], self._known):
            return False
        _tell(progress, "apply_start", leg.migration)
        try:
            script = None if leg.heard is None else leg.heard.script(alias.db)
            if script:
                editor.execute(script, None)
            elif script is None:
                with leg.heard.listening(editor.connection) if leg.heard and not tape else nullcontext():
                    run_leg(leg, editor, tape)
        except BaseException:
            # An operation that is cut off may leave changes in the states.
            self._kept = None
            raise
        if not leg.migration.atomic:
            add_records(alias, records)
        return True

    def _due(self, target: Target, leg: Leg, number: int, of: int) -> list[Key]:
        """What else is recorded with a migration: that post_migrate is due, if it may be cut off from there on."""
        may_be_cut_off = number < of or not leg.migration.atomic
        known = self.due or number > 1
        return [ARRIVAL_DUE] if may_be_cut_off and not known and self._is_heard(target) else []

    def _is_heard(self, target: Target) -> bool:
        """Whether post_migrate has a receiver that may have something to do."""
        return bool(self.changed) or self._has_others(models.signals.post_migrate)

    def _close(self, target: Target, lock_timeout: str | None, wait: bool, **options: Any) -> None:
        """Do what is left to do where no migration is to be run."""
        alias = target.alias
        assert alias is not None
        with local_search_path(connections[alias.db], target.search_path), local_lock_timeout(alias.db, lock_timeout):
            begin_in(target, None, wait)
            for key in self.closing:
                add_records(alias, [key])
            if self.due:
                self._arrive(target, None, self.steps, None, placed=True, **options)

    def announced(self, target: Target, **options: Any) -> list[Step]:
        """Send pre_migrate; return the steps, others than `steps` if a receiver changed them for this schema."""
        if not (self.steps and self._has_others(models.signals.pre_migrate)):
            return self.steps
        steps = [(_copy(migration), False) for migration, _ in self.steps]
        announce(models.signals.pre_migrate, target, lambda: self.before.apps, steps, own_for=(), **options)
        unchanged = all(
            mine.operations == theirs.operations for (mine, _), (theirs, _) in zip(self.steps, steps, strict=True)
        )
        return self.steps if unchanged else steps

    def arrive(
        self,
        target: Target,
        own_for: Collection[str],
        *,
        placed: bool,
        steps: Sequence[Step] | None = None,
        end: ProjectState | None = None,
        **options: Any,
    ) -> None:
        """Send post_migrate.

        Args:
            target: the schema.
            own_for: labels of the apps for which Django's own receivers are called.
            placed: whether search_path is the schema's already.
            steps: what was done, if that is not `steps`.
            end: the project's state in the end, if a receiver changed the plan.
            options: for the receivers.
        """
        if not own_for and not self._has_others(models.signals.post_migrate):
            return
        announce(
            models.signals.post_migrate,
            target,
            lambda: (self.final if end is None else _looked_at(end)).apps,
            [(_copy(migration), False) for migration, _ in steps or self.steps],
            own_for=own_for,
            placed=placed,
            **options,
        )

    def _arrive(
        self,
        target: Target,
        tape: Tape | None,
        steps: Sequence[Step],
        last: Leg | None,
        *,
        placed: bool,
        **options: Any,
    ) -> None:
        if tape is not None:
            with tape.arrival():
                self.arrive(target, self.changed, placed=placed, others=False, **options)
            self.arrive(target, (), placed=placed, **options)
            return
        if steps is self.steps or last is None:
            self.arrive(target, self.changed, placed=placed, **options)
        else:
            end = last.moves[-1][2] if last.moves else None
            self.arrive(target, self.labels, placed=placed, steps=steps, end=end, **options)
        if self.due or (self._is_heard(target) and (len(steps) > 1 or not placed)):
            assert target.alias is not None
            forget_record(target.alias, ARRIVAL_DUE)

    @cached_property
    def final(self) -> ProjectState:
        """The project's state in the end, in which receivers may look at all models."""
        return _looked_at(self._end())

    @cached_property
    def changed(self) -> frozenset[str]:
        """Labels of the apps for which Django's own receivers of post_migrate have something to do."""
        if self.due:
            return frozenset(self.labels)
        return permissions_changed(self.before, self._end(), self.labels)

    def _has_others(self, signal: Signal) -> bool:
        """Whether receivers of the project's listen to a signal; found out once for many schemas that follow."""
        if signal not in self._others or not self._keeps:
            self._others[signal] = has_others(signal, self._target)
        return self._others[signal]

    def records_of(self, migration: Migration) -> list[Key]:
        """What is recorded for a migration."""
        last = migration == self.steps[-1][0]
        return [*(migration.replaces or [(migration.app_label, migration.name)]), *(self.closing if last else ())]

    def states_at(self, wanted: frozenset[tuple[Key, int]]) -> dict[tuple[Key, int], Move]:
        """Some operations, by their migrations and numbers, each with the states before and behind it.

        Nothing on the way to them is rendered. They are kept.
        """
        if wanted == self._found.keys():
            return self._found
        self._found = found = {}
        state = self._unrendered()
        for migration in self._chosen(self.steps):
            for number, operation in enumerate(migration.operations):
                where = (migration.app_label, migration.name), number
                before = state.clone() if where in wanted else None
                operation.state_forwards(migration.app_label, state)
                if before is not None:
                    found[where] = operation, before, state.clone()
        return found

    def _end(self) -> ProjectState:
        if self._last is None:
            state = self._unrendered()
            for migration in self._sequence:
                migration.mutate_state(state, preserve=False)
            self._last = state
        return self._last

    def _unrendered(self) -> ProjectState:
        """The state where it begins, to be changed."""
        state = self.before.clone()
        state.__dict__.pop("apps", None)
        return state

    def _chosen(self, steps: list[Step]) -> list[Migration]:
        """All migrations on the way; those of this environment as given."""
        own = {(migration.app_label, migration.name): migration for migration, _ in steps}
        return [own.get((each.app_label, each.name), each) for each in self._sequence]

    def _legs(self, steps: list[Step]) -> Iterator[Leg]:
        if steps is not self.steps:
            return self._walk(steps)
        if self._kept is None and self._keeps:
            self._kept = list(self._walk(steps))
        return iter(self._kept) if self._kept is not None else self._walk(steps)

    def _walk(self, steps: list[Step]) -> Iterator[Leg]:
        """Make the states on the way, each once."""
        state, chosen = self.before, self._chosen(steps)
        for migration in chosen:
            if migration.app_label not in self.labels:
                state = migration.mutate_state(state, preserve=True)
                continue
            moves = []
            for operation in migration.operations:
                # Rendered once: what is cloned from it renders anew what differs.
                _ = state.apps
                behind = state.clone()
                operation.state_forwards(migration.app_label, behind)
                moves.append((operation, state, behind))
                state = behind
            if steps is self.steps and migration is chosen[-1]:
                self._last = state
            heard = Heard(migration) if steps is self.steps and self._keeps else None
            yield Leg(migration, moves, self.records_of(migration), heard)

    def _forget_historic(self) -> None:
        """Forget what historic models remember of rows: the next schema shares them."""
        states = [self.before, *(before for leg in self._kept or () for _, before, _ in leg.moves)]
        if "final" in self.__dict__:
            states.append(self.final)
        for state in states:
            if "apps" in state.__dict__:
                forget_historic(state.apps)


def _looked_at(end: ProjectState) -> ProjectState:
    """A state in which receivers may look at all models."""
    state = end.clone()
    state.clear_delayed_apps_cache()
    render_real_models(state)
    return state


def _copy(migration: Migration) -> Migration:
    copied = copy(migration)
    # As Django's own constructor does.
    vars(copied)["operations"] = list(migration.operations)
    return copied


def _closing(history: History, steps: Sequence[Step]) -> list[Key]:
    """Squashed migrations that are to be recorded in the end, since then all of their parts are."""
    given = set(history.recorded)
    given.update(key for migration, _ in steps for key in migration.replaces or [(migration.app_label, migration.name)])
    return [
        key
        for key, migration in history.replacements.items()
        if key not in given and key[0] in history.labels and given.issuperset(migration.replaces)
    ]


def _tell(progress: Progress | None, action: str, migration: Migration) -> None:
    if progress:
        progress(action, migration, False)

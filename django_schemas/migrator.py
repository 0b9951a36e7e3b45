"""The migrator: brings one schema to a point of its environment's migrations, with Django's own executor.

The executor runs on a connection whose search_path is the schema, for one transaction at a time. A schema records the
migrations of the apps that have models in its environment; those of other apps, whose tables live elsewhere, only add
to the project's state. Each migration and its record are one transaction, under the schema's lock, so a second process
waits and then finds it done. A schema that does not exist yet is made and migrated in one transaction if all
migrations can be.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast

from django.apps import apps
from django.db import OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState
from django.utils.module_loading import module_has_submodule

from .alias import SchemaAlias
from .caches import forget
from .context import activate
from .environments import environment, environments_on, home
from .exceptions import SchemaExists, SchemaLocked, SchemasError
from .membership import app_labels_of, models_of
from .schemas import drop_schema, ensure_schema, local_lock_timeout, lock_schema, schema_exists, session_lock
from .search_path import has_own_session, local_search_path, session_search_path
from .sqlstates import LOCK_NOT_AVAILABLE, sqlstate_of
from .target import Target, target_is

Step = tuple[Migration, bool]

__all__ = [
    "Plan",
    "Point",
    "Progress",
    "check_history",
    "load",
    "make_plan",
    "make_records",
    "migrate_target",
    "own_tables",
    "refuse_gaps",
    "target_of",
    "targets_on",
]

Point = tuple[str, str | None]
"""A point in an app's migrations: the app's label and a migration's name, or None for before the first."""

Progress = Callable[..., None]
"""Called with what Django's executor reports: an action, a migration, and whether it was faked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to a target.

    Attributes:
        target: what is migrated.
        steps: migrations to run, each with whether it is taken back.
        sequence: the same, and between them those of other apps that they need, which only add to the state.
        targets: the points to be reached, as (app label, migration name or None).
        unmigrated: models without migrations whose tables are missing.
    """

    target: Target
    steps: list[Step]
    sequence: list[Step]
    targets: list[Point]
    unmigrated: list[type[models.Model]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.steps or self.unmigrated)


def target_of(alias: SchemaAlias) -> Target:
    """The target that is a schema of an environment."""
    return Target(alias.db, alias, (alias.schema, *environment(alias.environment).additional_schemas))


def targets_on(db: str) -> list[Target]:
    """What a database holds once: models of no environment, if there are any, and single-schema environments."""
    homes = [home(name) for name in environments_on(db)]
    found = [target_of(alias) for alias in homes if alias is not None]
    return [Target(db), *found] if app_labels_of(None) else found


class _SchemaLoader(MigrationLoader):
    """Django's loader, which reads a schema's own records; what these needed of other apps counts as done."""

    def __init__(self, connection: BaseDatabaseWrapper, target: Target) -> None:
        self.target = target
        self.labels = app_labels_of(target.environment)
        super().__init__(connection)

    def build_graph(self) -> None:
        with own_tables(self.target):
            super().build_graph()
        recorded = [key for key in self.applied_migrations if key in self.graph.nodes and key[0] in self.labels]
        for key in recorded:
            for needed in self.graph.forwards_plan(key):
                if needed[0] not in self.labels:
                    self.applied_migrations.setdefault(needed, self.graph.nodes[needed])


class _SchemaRecorder(MigrationRecorder):
    """Django's recorder, which makes its table in the schema itself, whatever else is visible."""

    def __init__(self, target: Target) -> None:
        super().__init__(connections[target.db])
        self.target = target

    def ensure_schema(self) -> None:
        if not self._has_table:  # type: ignore[has-type]  # not in the stubs
            with own_tables(self.target):
                super().ensure_schema()
            # Django's executor asks again, where this schema can't be seen.
            self._has_table = True


class _SchemaExecutor(MigrationExecutor):
    """Django's executor, with each migration and its record in one transaction on the schema's search_path."""

    loader: _SchemaLoader

    def __init__(self, target: Target, progress: Progress | None = None, lock_timeout: str | None = None) -> None:
        self.target = target
        self.lock_timeout = lock_timeout
        self.connection = connections[target.db]
        self.loader = _SchemaLoader(self.connection, target)
        self.recorder = _SchemaRecorder(target)
        self.progress_callback = progress

    def apply_migration(
        self, state: ProjectState, migration: Migration, fake: bool = False, fake_initial: bool = False
    ) -> ProjectState:
        if migration.app_label not in self.loader.labels:
            return migration.mutate_state(state, preserve=False)
        with self._transaction(migration):
            if (migration.app_label, migration.name) in self.recorder.applied_migrations():
                return migration.mutate_state(state, preserve=False)
            return super().apply_migration(state, migration, fake=fake, fake_initial=fake_initial)

    def unapply_migration(self, state: ProjectState, migration: Migration, fake: bool = False) -> ProjectState:
        with self._transaction(migration):
            return super().unapply_migration(state, migration, fake=fake)

    @contextmanager
    def _transaction(self, migration: Migration) -> Iterator[None]:
        if self.target.alias is None:
            yield
        elif migration.atomic:
            nested = self.connection.in_atomic_block
            with (
                _lock_named(self.target.alias, migration),
                local_search_path(self.connection, self.target.search_path),
            ):
                # This is waited for: who holds it does what is to be done here.
                lock_schema(self.target.alias)
                with local_lock_timeout(self.target.db, self.lock_timeout):
                    yield
                if nested:
                    # The next migration may alter a table whose deferred constraints this one's rows still wait for.
                    self.connection.check_constraints()
        elif self.connection.in_atomic_block:
            raise SchemasError(
                f"Migration {migration} is not atomic, so schema {self.target.alias.schema!r} can't be migrated "
                "inside a transaction: call this outside of atomic()."
            )
        elif not has_own_session(self.connection):
            raise SchemasError(
                f"Migration {migration} is not atomic, and database {self.target.db!r} is reached through a pooler, "
                "which may send each of its statements to another session: connect directly to migrate."
            )
        else:
            with session_lock(self.target.alias), session_search_path(self.connection, self.target.search_path):
                yield

    def take_after(self, records: Sequence[tuple[str, str]]) -> list[Point]:
        """Plan as for a schema with these records, and return the points that they reach; the schema is not there yet.

        Raises:
            SchemasError: a migration that is recorded is not in the code.
        """
        alias = cast(SchemaAlias, self.target.alias)
        with transaction.atomic(using=alias.db):
            # Only a schema that holds the records can be read as Django reads them: squashed migrations, for one.
            ensure_schema(alias)
            recorder = _SchemaRecorder(self.target)
            recorder.ensure_schema()
            with own_tables(self.target):
                recorder.migration_qs.bulk_create([recorder.Migration(app=app, name=name) for app, name in records])
            self.loader = _SchemaLoader(self.connection, self.target)
            transaction.set_rollback(True, using=alias.db)
        _refuse_unknown(self.loader, records)
        refuse_gaps(self.loader)
        nodes, labels = self.loader.graph.nodes, self.loader.labels
        points: list[Point] = [key for key in self.loader.applied_migrations if key in nodes and key[0] in labels]
        self.loader.applied_migrations = {}
        return points

    def check_replacements(self) -> None:
        with own_tables(self.target):
            super().check_replacements()


@contextmanager
def _lock_named(alias: SchemaAlias, migration: Migration) -> Iterator[None]:
    """Say which schema it was if a lock could not be had in time."""
    try:
        yield
    except OperationalError as error:
        if sqlstate_of(error) != LOCK_NOT_AVAILABLE:
            raise
        raise SchemaLocked(
            f"Migration {migration} could not be run in schema {alias.schema!r} of database {alias.db!r}: another "
            "session holds a lock on a table that it changes. The migration left nothing behind: run it again."
        ) from error


def load(target: Target) -> _SchemaLoader:
    """The project's migrations, and which of them a target has recorded; what these needed of other apps counts too."""
    with target_is(target):
        return _SchemaLoader(connections[target.db], target)


def check_history(target: Target) -> None:
    """Raise InconsistentMigrationHistory if a target has recorded a migration, and one that it needs is not."""
    refuse_gaps(load(target))


def make_records(target: Target) -> None:
    """Make the table in which a target records its migrations, if it is not there."""
    with target_is(target):
        _SchemaRecorder(target).ensure_schema()


def make_plan(target: Target, targets: Sequence[Point] | None = None) -> Plan:
    """Find out what is to be done, without doing it.

    Args:
        target: what is to be migrated; its schema need not exist.
        targets: points to be reached; the newest of each app if None.
    """
    with target_is(target):
        return _plan(_SchemaExecutor(target), targets, syncdb=targets is None)


def migrate_target(
    target: Target,
    targets: Sequence[Point] | None = None,
    *,
    fake: bool = False,
    fake_initial: bool = False,
    adopt: bool = False,
    owner: str | None = None,
    like: Sequence[tuple[str, str]] | None = None,
    lock_timeout: str | None = None,
    verbosity: int = 0,
    interactive: bool = False,
    stdout: Any = None,
    progress: Progress | None = None,
) -> Plan:
    """Migrate a target: make its schema if need be, run what is missing, send pre_migrate and post_migrate.

    Args:
        target: what to migrate.
        targets: points to be reached; the newest of each app if None.
        fake: record the migrations without running them.
        fake_initial: record initial migrations whose tables are there already.
        adopt: take over a schema that was not made here.
        owner: a word for the schema's mark; a schema that is marked with another is refused.
        like: for a schema that is not there yet: the records of another, in their order, to whose points it is brought.
        lock_timeout: how long a migration waits for a lock on a table, as PostgreSQL writes it: "5s", "200ms". While
            it waits, all who come later wait behind it. The server's own setting if None. Migrations that are not
            atomic have none: what they do CONCURRENTLY holds up nobody.
        verbosity: for receivers of pre_migrate and post_migrate.
        interactive: whether these may ask the user.
        stdout: where these may write: a file or a command's output.
        progress: told of each migration.

    Returns:
        What was done.

    Raises:
        SchemaExists: the schema belongs to somebody else.
        SchemaLocked: a lock was not had within `lock_timeout`; the migration that waited for it left nothing behind.
        Exception: whatever a migration raises. A schema that was made by this call is gone then.
    """
    _import_management_modules()
    signals = {"verbosity": verbosity, "interactive": interactive, "stdout": stdout or sys.stdout}
    alias = target.alias
    # As Django's migrate does: PostGIS makes its extension, where the connection's own search_path finds it.
    connections[target.db].prepare_database()
    with target_is(target), activate(alias) if alias else nullcontext():
        there = alias is not None and schema_exists(alias.db, alias.schema)
        if alias is not None and there:
            # Somebody else's schema is not even read.
            ensure_schema(alias, owner=owner, adopt=adopt)
        executor = _SchemaExecutor(target, progress, lock_timeout)
        if like is not None:
            if there:
                raise SchemaExists(f"Schema {target.search_path[0]!r} in database {target.db!r} is there already.")
            targets = executor.take_after(like)
        plan = _plan(executor, targets, syncdb=targets is None or like is not None)
        with nullcontext() if alias is None or there else _schema_made(alias, plan, owner):
            _run(executor, plan, signals, fake=fake, fake_initial=fake_initial)
    return plan


@contextmanager
def _schema_made(alias: SchemaAlias, plan: Plan, owner: str | None) -> Iterator[None]:
    """Make the schema; if the block fails, have it not there."""
    if all(migration.atomic for migration, _ in plan.steps):
        with transaction.atomic(using=alias.db):
            ensure_schema(alias, owner=owner)
            yield
    else:
        made = ensure_schema(alias, owner=owner)
        try:
            yield
        except BaseException:
            if made:
                drop_schema(alias.db, alias.schema)
            raise


def _run(executor: _SchemaExecutor, plan: Plan, signals: dict[str, Any], *, fake: bool, fake_initial: bool) -> None:
    target = plan.target
    if target.alias is not None:
        executor.recorder.ensure_schema()
    before = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]  # not in the stubs
    _emit(models.signals.pre_migrate, target, before.apps, plan, signals)
    _create_tables(target, plan.unmigrated)
    after = executor.migrate(
        plan.targets, plan=plan.sequence, state=before.clone(), fake=fake, fake_initial=fake_initial
    )
    after.clear_delayed_apps_cache()
    _render_real_models(after)
    if target.alias is not None:
        forget(target.alias.db, target.alias.schema)
    _emit(models.signals.post_migrate, target, after.apps, plan, signals)


def _plan(executor: _SchemaExecutor, targets: Sequence[Point] | None, *, syncdb: bool) -> Plan:
    target, loader = executor.target, executor.loader
    _refuse_conflicts(loader)
    refuse_gaps(loader)
    leaves = [key for key in loader.graph.leaf_nodes() if key[0] in loader.labels]
    wanted = leaves if targets is None else [_replaced(loader, point) for point in targets]
    sequence = executor.migration_plan(wanted)
    steps = [step for step in sequence if step[0].app_label in loader.labels]
    return Plan(target, steps, sequence if steps else [], wanted, _missing_models(executor) if syncdb else [])


def _refuse_unknown(loader: _SchemaLoader, records: Sequence[tuple[str, str]]) -> None:
    """Raise SchemasError if a record is of a migration that the code does not have.

    One that is older than another of its app, which the code has, is what squashing left behind.
    """
    unknown: dict[str, list[str]] = {}
    for app, name in records:
        if app not in loader.labels:
            continue
        if (app, name) in loader.disk_migrations:
            unknown.pop(app, None)
        elif not any((app, name) in squashed.replaces for squashed in loader.replacements.values()):
            unknown.setdefault(app, []).append(name)
    if unknown:
        found = "; ".join(f"{', '.join(names)} of {app}" for app, names in sorted(unknown.items()))
        raise SchemasError(f"Migrations are recorded that this code does not have: {found}. Use code that does.")


def _refuse_conflicts(loader: _SchemaLoader) -> None:
    """Raise SchemasError if two migrations of an app both are its newest."""
    conflicts = {label: names for label, names in loader.detect_conflicts().items() if label in loader.labels}
    if conflicts:
        found = "; ".join(f"{', '.join(sorted(names))} in {label}" for label, names in sorted(conflicts.items()))
        raise SchemasError(f"Conflicting migrations, each the newest of its app: {found}. Run makemigrations --merge.")


def refuse_gaps(loader: _SchemaLoader) -> None:
    """Raise InconsistentMigrationHistory if a migration is recorded, and one that it needs is not.

    As Django's `check_consistent_history`, which knows nothing of migrations that another environment records.
    """
    applied = loader.applied_migrations
    for key in sorted(key for key in applied if key in loader.graph.nodes and key[0] in loader.labels):
        for parent in loader.graph.node_map[key].parents:
            squashed = loader.replacements.get(parent.key)
            if parent.key in applied or (squashed and all(old in applied for old in squashed.replaces)):
                continue
            where = loader.target.db if loader.target.alias is None else loader.target.alias.placement
            raise InconsistentMigrationHistory(
                f"Migration {'.'.join(key)} is applied before its dependency {'.'.join(parent.key)} in {where}."
            )


def _replaced(loader: _SchemaLoader, point: Point) -> Point:
    """The point itself; for a squashed migration that is half applied, which is not in the graph, its last part."""
    squashed = loader.replacements.get(cast(tuple[str, str], point))
    return point if squashed is None or point in loader.graph.nodes else squashed.replaces[-1]


def _missing_models(executor: _SchemaExecutor) -> list[type[models.Model]]:
    """Models of apps without migrations whose tables are not there. Django's `migrate --run-syncdb` makes the like."""
    connection, target = executor.connection, executor.target
    labels = executor.loader.unmigrated_apps & executor.loader.labels
    candidates = [
        model
        for model in models_of(target.environment)
        if model._meta.app_label in labels and model._meta.can_migrate(connection) and not model._meta.auto_created
    ]
    if not candidates:
        return []
    with own_tables(target):
        there = set(connection.introspection.table_names())
    return [model for model in candidates if str.__str__(model._meta.db_table) not in there]


def _create_tables(target: Target, missing: Sequence[type[models.Model]]) -> None:
    if not missing:
        return
    with _seeing(target, target.search_path), connections[target.db].schema_editor() as editor:
        for model in missing:
            editor.create_model(model)


def own_tables(target: Target) -> AbstractContextManager[None]:
    """A context in which only the target's own tables can be seen, none of ADDITIONAL_SCHEMAS."""
    return _seeing(target, target.search_path[:1])


def _seeing(target: Target, schemas: Sequence[str]) -> AbstractContextManager[None]:
    """A context in which these schemas are looked into; the usual search_path for models of no environment."""
    return nullcontext() if target.alias is None else local_search_path(connections[target.db], schemas)


def _emit(signal: Any, target: Target, project_apps: Any, plan: Plan, signals: dict[str, Any]) -> None:
    """Send a migration signal for each app with models in the environment, with the schema alias as `using`.

    The models that receivers get are historic ones, unqualified: search_path says where they are.
    """
    labels = app_labels_of(target.environment)
    using = target.alias if target.alias is not None else target.db
    with _seeing(target, target.search_path):
        for config in apps.get_app_configs():
            if config.label in labels and config.models_module is not None:
                signal.send(
                    sender=config, app_config=config, using=using, apps=project_apps, plan=plan.steps, **signals
                )


def _render_real_models(state: ProjectState) -> None:
    """Render the models of apps without migrations with their relations, now that all models are known."""
    project_apps = state.apps
    keys = [(model.app_label, model.name_lower) for model in project_apps.real_models]
    with project_apps.bulk_update():
        for key in keys:
            project_apps.unregister_model(*key)
    project_apps.render_multiple([ModelState.from_model(apps.get_model(*key)) for key in keys])


def _import_management_modules() -> None:
    """Let each app register its receivers of the migration signals, as Django's migrate does."""
    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "management"):
            import_module(".management", config.name)

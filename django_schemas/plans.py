"""Plans: what is to be done to a target, found without doing it; and doing it, with Django's executor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, models

from .alias import SchemaAlias
from .announcing import Step, announce, render_real_models
from .caches import forget
from .environments import environment, environments_on, home
from .executor import Executor
from .history import Point, refuse_conflicts, refuse_gaps, replaced
from .membership import app_labels_of, models_of
from .records import ARRIVAL_DUE, forget_record
from .search_path import own_tables, seeing
from .target import Target, target_is

__all__ = ["Plan", "make_plan", "missing_models", "plan_of", "run_plan", "target_of", "targets_on", "unmigrated_models"]


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


def make_plan(target: Target, targets: Sequence[Point] | None = None) -> Plan:
    """Find out what is to be done, without doing it.

    Args:
        target: what is to be migrated; its schema need not exist.
        targets: points to be reached; the newest of each app if None.
    """
    with target_is(target):
        return plan_of(Executor(target), targets, syncdb=targets is None)


def plan_of(executor: Executor, targets: Sequence[Point] | None, *, syncdb: bool) -> Plan:
    """The plan for what an executor is of; with tables of models without migrations if `syncdb`."""
    target, loader = executor.target, executor.loader
    refuse_conflicts(loader)
    refuse_gaps(loader)
    leaves = [key for key in loader.graph.leaf_nodes() if key[0] in loader.labels]
    wanted = leaves if targets is None else [replaced(loader, point) for point in targets]
    sequence = executor.migration_plan(wanted)
    steps = [step for step in sequence if step[0].app_label in loader.labels]
    return Plan(target, steps, sequence if steps else [], wanted, missing_models(executor) if syncdb else [])


def run_plan(
    executor: Executor, plan: Plan, options: dict[str, Any], *, fake: bool = False, fake_initial: bool = False
) -> None:
    """Do what was planned, with Django's executor.

    Args:
        executor: of the same target.
        plan: what to do.
        options: for receivers of pre_migrate and post_migrate: verbosity, interactive, stdout.
        fake: record the migrations without running them.
        fake_initial: record initial migrations whose tables are there already.
    """
    target = plan.target
    if target.alias is not None:
        executor.recorder.ensure_schema()
    before = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]  # not in the stubs
    announce(models.signals.pre_migrate, target, lambda: before.apps, plan.steps, **options)
    _create_tables(target, plan.unmigrated)
    after = executor.migrate(
        plan.targets, plan=plan.sequence, state=before.clone(), fake=fake, fake_initial=fake_initial
    )
    after.clear_delayed_apps_cache()
    render_real_models(after)
    if target.alias is not None:
        forget(target.alias.db, target.alias.schema)
    announce(models.signals.post_migrate, target, lambda: after.apps, plan.steps, **options)
    if target.alias is not None and (plan.steps or executor.loader.is_due):
        forget_record(target.alias, ARRIVAL_DUE)


def missing_models(executor: Executor) -> list[type[models.Model]]:
    """Models of apps without migrations whose tables are not there. Django's `migrate --run-syncdb` makes the like."""
    candidates = unmigrated_models(executor)
    if not candidates:
        return []
    with own_tables(executor.target):
        there = set(executor.connection.introspection.table_names())
    return [model for model in candidates if str.__str__(model._meta.db_table) not in there]


def unmigrated_models(executor: Executor) -> list[type[models.Model]]:
    """Models of the environment whose apps have no migrations."""
    labels = executor.loader.unmigrated_apps & executor.loader.labels
    return [
        model
        for model in models_of(executor.target.environment)
        if model._meta.app_label in labels
        and model._meta.can_migrate(executor.connection)
        and not model._meta.auto_created
    ]


def _create_tables(target: Target, missing: Sequence[type[models.Model]]) -> None:
    if not missing:
        return
    with seeing(target, target.search_path), connections[target.db].schema_editor() as editor:
        for model in missing:
            editor.create_model(model)

"""The migrator: brings one schema to a point of its environment's migrations.

A schema that is there is migrated with Django's own executor, on a connection whose search_path is the schema, for one
transaction at a time. A schema records the migrations of the apps that have models in its environment; those of other
apps, whose tables live elsewhere, only add to the project's state. Each migration and its record are one transaction,
under the schema's lock, so a second process waits and then finds it done. How one is made that is not there yet is told
in `making`, how many are migrated in `fleet`.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from django.db import connections

from .alias import SchemaAlias
from .announcing import import_management_modules
from .context import activate
from .environments import environment
from .exceptions import SchemaExists
from .executor import Executor, Progress, Recorder
from .history import Point
from .making import make
from .plans import Plan, plan_of, run_plan
from .records import Key
from .references import share_referenced
from .schemas import ensure_schema, schema_exists
from .target import Target, target_is

__all__ = ["make_records", "migrate_target"]


def make_records(target: Target) -> None:
    """Make the table in which a target records its migrations, if it is not there."""
    with target_is(target):
        Recorder(target).ensure_schema()


def migrate_target(
    target: Target,
    targets: Sequence[Point] | None = None,
    *,
    fake: bool = False,
    fake_initial: bool = False,
    adopt: bool = False,
    owner: str | None = None,
    like: Sequence[Key] | None = None,
    blueprint: bool = True,
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
        blueprint: whether a schema that is not there yet may be made by a blueprint, instead of the long way.
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
    import_management_modules()
    options = {"verbosity": verbosity, "interactive": interactive, "stdout": stdout or sys.stdout}
    alias = target.alias
    # As Django's migrate does: PostGIS makes its extension, where the connection's own search_path finds it.
    connections[target.db].prepare_database()
    with target_is(target), activate(alias) if alias else nullcontext():
        if alias is not None:
            there = schema_exists(alias.db, alias.schema)
            if there and like is not None:
                raise SchemaExists(f"Schema {alias.schema!r} in database {alias.db!r} is there already.")
            if not there and not (fake or fake_initial):
                made = make(
                    target,
                    targets,
                    like,
                    owner=owner,
                    blueprint=blueprint,
                    kept=blueprint,
                    lock_timeout=lock_timeout,
                    progress=progress,
                    **options,
                )
                if made is not None:
                    _share(alias)
                    return made
                if like is not None:
                    raise SchemaExists(
                        f"Schema {alias.schema!r} in database {alias.db!r} was made by another just now."
                    )
            # Somebody else's schema is not even read.
            ensure_schema(alias, owner=owner, adopt=adopt)
        executor = Executor(target, progress, lock_timeout)
        plan = plan_of(executor, targets, syncdb=targets is None)
        run_plan(executor, plan, options, fake=fake, fake_initial=fake_initial)
        if alias is not None:
            _share(alias)
    return plan


def _share(alias: SchemaAlias) -> None:
    """Have what is in the one schema of an environment be referred to from many."""
    if environment(alias.environment).single_schema:
        share_referenced(alias)

"""Standing: how far tenants' schemas have come in their migrations, as the registry knows without asking any schema.

It is kept in `migrated_to`, a dict of each app's label and the name of the newest of its migrations that is applied, by
whoever makes or migrates schemas. Requests are refused by it while a release migrates (`TENANCY["BEHIND"]`). What this
code knows is read from the migrations on disk, once in a process.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from django_schemas.membership import app_labels_of
from django_schemas.records import Records, read_records

from .conf import conf
from .models import AbstractTenant
from .registry import tell_of_changes

__all__ = ["Standing", "is_behind", "lacks", "newest", "note", "of", "plan", "read"]

Standing = dict[str, str]
"""The newest applied migration of each app, by the app's label."""


def plan() -> tuple[tuple[str, str], ...]:
    """The migrations that a new tenant's schema runs, in their order, each as (app label, name)."""
    return _migrations().plan


def newest() -> Standing:
    """The newest migration of each app, as this code knows them."""
    return {label: names[-1] for label, names in _migrations().names.items()}


def is_behind(tenant: AbstractTenant) -> bool:
    """Tell whether a tenant's schema lacks a migration that this code has.

    It does not if that is unknown, nor if it has one that this code does not know: then newer code has migrated it.
    """
    return lacks(tenant.migrated_to)


def lacks(at: Standing | None) -> bool:
    """Tell whether a schema that has come so far lacks a migration that this code has."""
    if at is None:
        return False
    return any(label not in at or at[label] in older for label, older in _migrations().older.items())


def note(tenants: Iterable[AbstractTenant], standing: Standing) -> None:
    """Write down how far some tenants' schemas have come, by one statement for all, and tell all processes.

    Args:
        tenants: of one registry; these objects stay as they are.
        standing: where they all stand now.
    """
    known = list(tenants)
    if not known:
        return
    registry = known[0].registry
    rows = type(known[0])._default_manager.using(registry).filter(pk__in=[tenant.pk for tenant in known])
    rows.update(migrated_to=standing, updated_at=timezone.now())
    tell_of_changes(registry, [tenant.pk for tenant in known])


def read(db: str, schemas: Sequence[str]) -> dict[str, Standing]:
    """How far schemas of a database are by their own records; by one statement for each 500.

    One that has recorded nothing stands nowhere: an empty dict.
    """
    return {schema: of(records) for schema, records in read_records(db, schemas).items()}


def of(records: Records) -> Standing:
    """How far a schema is that has recorded these."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for label, name in records:
        names[label].append(name)
    return {label: max(applied, key=lambda name: _order(label, name)) for label, applied in sorted(names.items())}


def _order(label: str, name: str) -> tuple[float, str]:
    """What sorts an app's migrations: those that this code does not know come last, by their names."""
    known = _migrations().names.get(label, ())
    return (known.index(name), "") if name in known else (len(known), name)


@dataclass(frozen=True, slots=True)
class _Migrations:
    """The migrations of the tenants' environment.

    Attributes:
        plan: those that an empty schema runs, in order.
        names: by app, all that are known, in order: those that were squashed come before what replaces them.
        older: by app, those behind which there is another to be applied.
    """

    plan: tuple[tuple[str, str], ...]
    names: Mapping[str, tuple[str, ...]]
    older: Mapping[str, frozenset[str]]


def _migrations() -> _Migrations:
    return _read_migrations(conf.environment)


@cache
def _read_migrations(environment: str) -> _Migrations:
    labels = app_labels_of(environment)
    loader = MigrationLoader(None, ignore_no_migrations=True)
    graph = loader.graph
    steps = dict.fromkeys(key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf) if key[0] in labels)
    names: defaultdict[str, list[str]] = defaultdict(list)
    older: defaultdict[str, set[str]] = defaultdict(set)
    for key in steps:
        older[key[0]].update(names[key[0]])
        replaced = [name for _, name in _squashed(loader, key)]
        names[key[0]] += [*replaced, key[1]]
        # The last of those that were squashed is as far as the one that takes their place.
        older[key[0]].update(replaced[:-1])
    return _Migrations(
        tuple(steps),
        {label: tuple(known) for label, known in names.items()},
        {label: frozenset(before) for label, before in older.items()},
    )


def _squashed(loader: MigrationLoader, key: tuple[str, str]) -> list[tuple[str, str]]:
    """The migrations of its app that one takes the place of, in order."""
    found: list[tuple[str, str]] = []
    replacement: Any = loader.replacements.get(key)
    for old in replacement.replaces if replacement is not None else ():
        if old[0] == key[0]:
            found += [*_squashed(loader, old), old]
    return found


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in ("DATABASE_ENVIRONMENTS", "INSTALLED_APPS", "MIGRATION_MODULES"):
        _read_migrations.cache_clear()


setting_changed.connect(_forget)

"""Drift: what is in a schema and should not be, or is not and should. What should be there is what its own recorded
migrations make of an empty schema: such a one is made, looked at, and rolled back.

Schemas that have recorded the same migrations are compared with the same one.
"""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader

from .catalog import Catalog, Item, read_catalogs
from .environments import alias_for
from .identifiers import qualified, quote
from .membership import models_of
from .migrator import Point, check_history, load, make_plan, migrate_target, target_of
from .records import Records, read_records
from .schemas import drop_schema
from .search_path import local_search_path
from .target import Target

__all__ = ["SCRATCH", "Finding", "find_drift", "mend"]

SCRATCH = "_check_"
"""What the names of schemas begin with that are made for comparing, and are gone afterwards."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be in a schema.

    Attributes:
        kind: `missing`, `extra`, `different` or `renamed` thing; `stale` record; `behind`; `history`; `sequence`.
        subject: what it is about.
        detail: what was found, and what was expected.
        remedy: what to do about it.
        statement: SQL that mends it without losing anything, with its parameters; None if a person must decide.
    """

    kind: str
    subject: str
    detail: str
    remedy: str
    statement: tuple[str, tuple[Any, ...]] | None = field(default=None, compare=False)


def find_drift(db: str, environment: str, schemas: Sequence[str]) -> dict[str, list[Finding]]:
    """Compare schemas of an environment with what their recorded migrations should have made.

    The number of statements grows with that of different states of migration, and with one for each schema.

    Args:
        db: alias of the database.
        environment: name of the environment, whose schemas they are.
        schemas: their names.
    """
    found: dict[str, list[Finding]] = {schema: [] for schema in schemas}
    cohorts: defaultdict[Records, list[str]] = defaultdict(list)
    for schema, records in read_records(db, schemas).items():
        cohorts[records].append(schema)
    catalogs = read_catalogs(db, schemas)
    for records, members in cohorts.items():
        state = _judge(target_of(alias_for(db, members[0], (environment,))), records)
        expected = _expected(db, environment, state) if state.consistent else None
        for schema in members:
            found[schema] += state.findings
            if expected is not None:
                found[schema] += _differences(expected, catalogs[schema], state.unjudged)
    for schema, behind in _sequences_behind(db, schemas).items():
        found[schema] += behind
    return found


def mend(db: str, schema: str, findings: Iterable[Finding]) -> Iterator[tuple[Finding, Exception | None]]:
    """Run the statements of findings that have one, each for itself; tell of each how it went."""
    for finding in findings:
        if finding.statement is None:
            continue
        try:
            with local_search_path(connections[db], (schema,)), connections[db].cursor() as cursor:
                sql, parameters = finding.statement
                cursor.execute(sql, parameters or None)
        except Exception as error:
            yield finding, error
        else:
            yield finding, None


@dataclass(frozen=True, slots=True)
class _State:
    """How far some schemas are migrated, and what is wrong with their records.

    Attributes:
        findings: what is wrong.
        consistent: whether one could get there by migrating.
        points: where they are; None if they have all there is.
        unjudged: tables that nothing tells of whether they should be there.
    """

    findings: list[Finding]
    consistent: bool = True
    points: list[Point] | None = None
    unjudged: frozenset[str] = frozenset()


def _judge(target: Target, records: Records) -> _State:
    loader = load(target)
    findings = [
        Finding(
            "stale",
            f"record {app}.{name}",
            "There is no such migration." if app in loader.labels else f"App {app!r} has no models here.",
            "Delete the record, or bring the migration back.",
            ("DELETE FROM django_migrations WHERE app = %s AND name = %s", (app, name)),
        )
        for app, name in sorted(records)
        if app not in loader.labels or (app, name) not in loader.disk_migrations
    ]
    try:
        check_history(target)
    except InconsistentMigrationHistory as error:
        gap = Finding("history", "records", str(error), "Apply what is missing by hand, then record it.")
        return _State([*findings, gap], consistent=False)
    own = {key for key in loader.graph.nodes if key[0] in loader.labels}
    applied = own & loader.applied_migrations.keys()
    missing = sorted(own - applied)
    if not missing:
        return _State(findings)
    behind = Finding("behind", f"{len(missing)} migrations", ", ".join(map(".".join, missing)), "Migrate it.")
    return _State(
        [*findings, behind],
        points=[key for key in sorted(applied) if not _followed(loader, key, applied)],
        # Apps without migrations leave no record of theirs.
        unjudged=frozenset(
            str.__str__(model._meta.db_table)
            for model in models_of(target.environment)
            if model._meta.app_label in loader.unmigrated_apps
        ),
    )


def _followed(loader: MigrationLoader, key: tuple[str, str], applied: Collection[tuple[str, str]]) -> bool:
    """Tell whether a later migration of the same app is applied."""
    return any(child.key in applied and child.key[0] == key[0] for child in loader.graph.node_map[key].children)


def _expected(db: str, environment: str, state: _State) -> Catalog:
    """What an empty schema holds when it has been migrated that far."""
    schema = f"{SCRATCH}{secrets.token_hex(8)}"
    target = target_of(alias_for(db, schema, (environment,)))
    if all(migration.atomic for migration, _ in make_plan(target, state.points).steps):
        with transaction.atomic(using=db):
            migrate_target(target, state.points)
            catalog = read_catalogs(db, [schema])[schema]
            transaction.set_rollback(True, using=db)
        return catalog
    try:
        migrate_target(target, state.points)
        return read_catalogs(db, [schema])[schema]
    finally:
        drop_schema(db, schema)


def _differences(expected: Catalog, found: Catalog, unjudged: Collection[str]) -> Iterator[Finding]:
    """Compare two catalogs. Of a table that is missing, or extra, only the table itself is told."""
    missing = {item: expected[item] for item in expected if item not in found}
    extra = {item: found[item] for item in found if item not in expected and item.table not in unjudged}
    for item, other in _renamed(missing, extra):
        yield Finding("renamed", str(item), f"It is called {other.name!r}.", "Rename it, since migrations may name it.")
        del missing[item], extra[other]
    for item in _without_tables(missing):
        yield Finding("missing", str(item), f"Expected: {missing[item]}", *_remedy(item, missing[item]))
    for item in _without_tables(extra):
        yield Finding("extra", str(item), f"Found: {extra[item]}", "Drop it by hand if nobody needs it.")
    for item in expected.keys() & found.keys():
        if expected[item] != found[item]:
            yield Finding(
                "different",
                str(item),
                f"Found: {found[item]}; expected: {expected[item]}",
                "Alter it by hand, or by a migration.",
            )


def _without_tables(items: Mapping[Item, str]) -> list[Item]:
    tables = {item.table for item in items if item.kind in ("table", "view")}
    return sorted(item for item in items if item.kind in ("table", "view") or item.table not in tables)


def _renamed(missing: Mapping[Item, str], extra: Mapping[Item, str]) -> list[tuple[Item, Item]]:
    """Indexes and constraints that are there under another name."""
    by_meaning = {_meaning(item, definition): item for item, definition in extra.items()}
    found = ((item, by_meaning.get(_meaning(item, definition))) for item, definition in missing.items())
    return [(item, other) for item, other in found if other is not None and item.kind in ("index", "constraint")]


def _meaning(item: Item, definition: str) -> tuple[str, str, str]:
    own_name = (f" {quote(item.name)} ", f" {item.name} ")
    for name in own_name:
        definition = definition.replace(name, " ", 1)
    return item.kind, item.table, definition


def _remedy(item: Item, definition: str) -> tuple[str, tuple[str, tuple[Any, ...]] | None]:
    if item.kind == "index":
        return "Make it.", (definition, ())
    if item.kind == "constraint":
        sql = f"ALTER TABLE {quote(item.table)} ADD CONSTRAINT {quote(item.name)} {definition}"
        return "Make it.", (sql, ())
    return "Make it by hand, or by a migration.", None


_OWNED_SEQUENCES = """
    SELECT n.nspname::text, s.relname::text, t.relname::text, a.attname::text, q.seqincrement
    FROM pg_catalog.pg_sequence q
    JOIN pg_catalog.pg_class s ON s.oid = q.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE n.nspname = ANY(%s) AND q.seqincrement > 0 AND NOT q.seqcycle
"""


def _sequences_behind(db: str, schemas: Sequence[str]) -> dict[str, list[Finding]]:
    """Sequences whose next value a row has already: the next insert fails."""
    found: dict[str, list[Finding]] = {}
    owned: defaultdict[str, list[tuple[str, str, str, int]]] = defaultdict(list)
    with connections[db].cursor() as cursor:
        cursor.execute(_OWNED_SEQUENCES, [list(schemas)])
        for schema, *sequence in cursor.fetchall():
            owned[schema].append(tuple(sequence))
        for schema, sequences in owned.items():
            cursor.execute(" UNION ALL ".join(_next_and_highest(schema, *sequence) for sequence in sequences))
            found[schema] = [
                Finding(
                    "sequence",
                    str(Item("sequence", table, name)),
                    f"It would give {upcoming} next, and {table}.{column} goes up to {highest}.",
                    "Set it behind the highest value.",
                    ("SELECT pg_catalog.setval(%s::pg_catalog.regclass, %s)", (quote(name), highest)),
                )
                for name, table, column, upcoming, highest in cursor.fetchall()
                if highest is not None and highest >= upcoming
            ]
    return found


def _next_and_highest(schema: str, sequence: str, table: str, column: str, increment: int) -> str:
    names = ", ".join("'{}'".format(name.replace("'", "''")) for name in (sequence, table, column))
    return (
        f"SELECT {names}, last_value + CASE WHEN is_called THEN {int(increment)} ELSE 0 END, "
        f"(SELECT max({quote(column)}) FROM {qualified(schema, table)}) FROM {qualified(schema, sequence)}"
    )

"""Drift: what is in a schema and should not be, or is not and should. What should be there is what its own recorded
migrations make of an empty schema: such a one is made, looked at, and rolled back.

Schemas that have recorded the same migrations are compared with the same one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.template.defaultfilters import pluralize

from .alias import SchemaAlias
from .big_ints import widen_integers
from .catalog import Catalog, Item, read_catalogs
from .citus import has_citus
from .environments import alias_for
from .history import Point, load, missing_from, refuse_gaps
from .identifiers import qualified, quote
from .making import on_scratch
from .membership import models_of
from .plans import target_of
from .records import ARRIVAL_DUE, Key, Records, read_records
from .schemas import local_lock_timeout
from .search_path import local_search_path
from .target import Target

__all__ = ["Finding", "behind", "find_drift", "mend"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be in a schema.

    Attributes:
        kind: `missing`, `extra`, `different` or `renamed` thing; `stale` or `unrecorded` record; `behind`; `history`;
            `sequence`.
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
        expecting = _Expecting(db, environment)
        for schema in members:
            found[schema] += _findings(state, catalogs[schema], expecting)
    for schema, late in _sequences_behind(db, schemas).items():
        found[schema] += late
    return found


def _findings(state: "_State", catalog: Catalog, expecting: "_Expecting") -> list[Finding]:
    """What is wrong with one schema."""
    differences = []
    if state.consistent:
        differences = _differences(expecting.of(state.points, catalog), catalog, state.unjudged)
    if state.missing and (differences or not state.consistent):
        whole = _differences(expecting.of(None, catalog), catalog, ())
        if all(each.kind == "renamed" for each in whole):
            return [*state.stale, *(_unrecorded(key, state.opaque) for key in state.missing), *whole]
    stale = state.stale
    if any(each.kind == "extra" for each in differences):
        stale = [replace(each, remedy=_NEWER, statement=None) for each in stale]
    return [*stale, *state.others, *differences]


_NEWER = "Leave it if a newer release made it, and what is extra here; else mend that first."


def _unrecorded(key: Key, opaque: Collection[Key]) -> Finding:
    by_hand = key in opaque
    return Finding(
        "unrecorded",
        f"record {'.'.join(key)}",
        "What this migration makes is there, and it is not recorded.",
        "Find out whether its RunPython or RunSQL was run; then migrate it, or fake that." if by_hand else "Record it.",
        None if by_hand else ("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", key),
    )


class _Expecting:
    """What an empty schema holds when it is migrated so far; remembered, since finding out takes a while."""

    def __init__(self, db: str, environment: str) -> None:
        self.db, self.environment = db, environment
        self._known: dict[tuple[bool, bool], Catalog] = {}

    def of(self, points: list[Point] | None, found: Catalog) -> Catalog:
        """What should be there, in a schema whose integers were all widened if that is what was found."""
        catalog = self._at(points, wide=False)
        return self._at(points, wide=True) if _narrow(catalog) and not _narrow(found) else catalog

    def _at(self, points: list[Point] | None, *, wide: bool) -> Catalog:
        key = points is None, wide
        if key not in self._known:
            self._known[key] = _expected(self.db, self.environment, points, wide)
        return self._known[key]


def _narrow(catalog: Catalog) -> bool:
    """Tell whether there are integers of 32 bits."""
    return any(item.kind == "column" and sql.split(" ", 1)[0] == "integer" for item, sql in catalog.items())


def mend(db: str, schema: str, findings: Iterable[Finding]) -> Iterator[tuple[Finding, Exception | None]]:
    """Run the statements of findings that have one, each for itself; tell of each how it went."""
    connection = connections[db]
    with connection.cursor() as cursor:
        # Definitions were written down where these could be seen: operator classes of extensions, for one.
        cursor.execute("SELECT current_schemas(false)::text[]")
        (usual,) = cursor.fetchone()
    for finding in findings:
        if finding.statement is None:
            continue
        try:
            with (
                local_search_path(connection, (schema, *usual)),
                local_lock_timeout(db, _LOCK_TIMEOUT),
                connection.cursor() as cursor,
            ):
                sql, parameters = finding.statement
                cursor.execute(sql, parameters or None)
        except Exception as error:
            yield finding, error
        else:
            yield finding, None


_LOCK_TIMEOUT = "5s"
"""How long mending waits for a table, and all who come later behind it."""


@dataclass(frozen=True, slots=True)
class _State:
    """How far some schemas are migrated, and what is wrong with their records.

    Attributes:
        stale: records that do not belong there.
        others: what else is wrong with the records.
        missing: migrations that are not recorded.
        opaque: those of them that may change rows, which no catalog tells.
        consistent: whether one could get there by migrating.
        points: where they are; None if they have all there is.
        unjudged: tables that nothing tells of whether they should be there.
    """

    stale: list[Finding]
    others: list[Finding] = field(default_factory=list)
    missing: list[Key] = field(default_factory=list)
    opaque: frozenset[Key] = frozenset()
    consistent: bool = True
    points: list[Point] | None = None
    unjudged: frozenset[str] = frozenset()


def _judge(target: Target, records: Records) -> _State:
    loader = load(target, records)
    # What a squashed migration stands for is recorded with it, and may have no file any more.
    known = {*loader.disk_migrations, *(old for each in loader.disk_migrations.values() for old in each.replaces)}
    findings = [
        Finding(
            "stale",
            f"record {app}.{name}",
            "There is no such migration." if app in loader.labels else f"App {app!r} has no models here.",
            "Delete the record, or bring the migration back.",
            ("DELETE FROM django_migrations WHERE app = %s AND name = %s", (app, name)),
        )
        for app, name in sorted(records)
        if (app not in loader.labels or (app, name) not in known) and (app, name) != ARRIVAL_DUE
    ]
    missing = missing_from(loader)
    opaque = frozenset(key for key in missing if any(map(_is_opaque, loader.graph.nodes[key].operations)))
    try:
        refuse_gaps(loader)
    except InconsistentMigrationHistory as error:
        gap = Finding("history", "records", str(error), "Apply what is missing by hand, then record it.")
        return _State(findings, [gap], missing, opaque, consistent=False)
    cut_off = [Finding("behind", "post_migrate", "A run was cut off before it was sent.", "Migrate it.")]
    others = cut_off if ARRIVAL_DUE in records else []
    if not missing:
        return _State(findings, others)
    applied = {key for key in loader.graph.nodes if key[0] in loader.labels}.difference(missing)
    name = f"{len(missing)} migration{pluralize(missing)}"
    late = Finding("behind", name, ", ".join(map(".".join, missing)), "Migrate it.")
    return _State(
        findings,
        [late, *others],
        missing,
        opaque,
        points=[key for key in sorted(applied) if not _followed(loader, key, applied)],
        # Apps without migrations leave no record of theirs.
        unjudged=frozenset(
            str.__str__(model._meta.db_table)
            for model in models_of(target.environment)
            if model._meta.app_label in loader.unmigrated_apps
        ),
    )


def behind(db: str, environment: str, schemas: Sequence[str]) -> dict[str, list[Key]]:
    """The migrations that each schema has not recorded; by one statement for each 500, and a few for each state.

    Schemas that have recorded none are left out.
    """
    cohorts: dict[Records, list[Key]] = {}
    found = {}
    for schema, records in read_records(db, schemas).items():
        if not records:
            continue
        if records not in cohorts:
            cohorts[records] = missing_from(load(target_of(alias_for(db, schema, (environment,))), records))
        found[schema] = cohorts[records]
    return found


def _is_opaque(operation: Operation) -> bool:
    return isinstance(operation, RunPython | RunSQL | SeparateDatabaseAndState)


def _followed(loader: MigrationLoader, key: tuple[str, str], applied: Collection[tuple[str, str]]) -> bool:
    """Tell whether a later migration of the same app is applied."""
    return any(child.key in applied and child.key[0] == key[0] for child in loader.graph.node_map[key].children)


def _expected(db: str, environment: str, points: list[Point] | None, wide: bool) -> Catalog:
    """What an empty schema holds when it has been migrated that far, and its integers were widened or not."""

    def look(alias: SchemaAlias) -> Catalog:
        if wide:
            widen_integers(alias)
        return read_catalogs(db, [alias.schema])[alias.schema]

    # The long way, of which blueprints are copies.
    return on_scratch(db, environment, look, points)


def _differences(expected: Catalog, found: Catalog, unjudged: Collection[str]) -> list[Finding]:
    """Compare two catalogs. Of a table that is missing, or extra, only the table itself is told."""
    return list(_each_difference(expected, found, unjudged))


def _each_difference(expected: Catalog, found: Catalog, unjudged: Collection[str]) -> Iterator[Finding]:
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
            rows = _next_and_highest(cursor, schema, sequences)
            found[schema] = [
                Finding(
                    "sequence",
                    str(Item("sequence", table, name)),
                    f"It would give {upcoming} next, and {table}.{column} goes up to {highest}.",
                    "Set it behind the highest value.",
                    ("SELECT pg_catalog.setval(%s::pg_catalog.regclass, %s)", (quote(name), highest)),
                )
                for name, table, column, upcoming, highest in rows
                if highest is not None and highest >= upcoming
            ]
    return found


def _next_and_highest(
    cursor: Any, schema: str, sequences: Sequence[tuple[str, str, str, int]]
) -> list[tuple[str, str, str, int, int | None]]:
    """Sequences by name, with the table and column of each, what it gives next, and the highest value that is there."""
    upcoming = [
        f"SELECT {number}, true, last_value + CASE WHEN is_called THEN {int(increment)} ELSE 0 END "
        f"FROM {qualified(schema, name)}"
        for number, (name, _, _, increment) in enumerate(sequences)
    ]
    highest = [
        f"SELECT {number}, false, max({quote(column)}) FROM {qualified(schema, table)}"
        for number, (_, table, column, _) in enumerate(sequences)
    ]
    values: dict[tuple[int, bool], Any] = {}
    # To Citus in two statements: the rows are on a worker, and the sequences are not.
    for each in (upcoming, highest) if has_citus(cursor.db) else (upcoming + highest,):
        cursor.execute(" UNION ALL ".join(each))
        values |= {(number, is_next): value for number, is_next, value in cursor.fetchall()}
    return [
        (name, table, column, values[number, True], values[number, False])
        for number, (name, table, column, _) in enumerate(sequences)
    ]

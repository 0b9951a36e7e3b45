"""The catalog: what PostgreSQL says that a schema holds, compared with what its recorded migrations make.

What should be there is not worked out: a scratch schema is migrated to the same point, read, and rolled back, once for
each cohort. The same migrations give the same names, so things are told apart by name. Mending runs the very DDL that
PostgreSQL gives for what the scratch schema has.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction

from .alias import SchemaAlias
from .big_ints import widen_integers
from .caches import forget
from .cohorts import Cohort
from .environments import alias_for, environment
from .identifiers import qualified, quote
from .membership import models_of
from .migrator import load, migrate_target, target_of
from .schemas import drop_schema, local_lock_timeout, lock_schema, mark_of, session_lock
from .search_path import local_search_path

__all__ = [
    "SCRATCH",
    "Difference",
    "LateSequence",
    "Thing",
    "catalog_of",
    "compare",
    "expected_catalog",
    "late_sequences",
    "mend",
    "narrow",
]

SCRATCH = "_scratch"
"""Name of the schema that is migrated to see what should be there. It is gone again, and was seen by nobody else,
unless a migration is not atomic."""

Key = tuple[str, str, str]
"""Kind, table and name of a thing."""

_OWNER = "scratch"
_LOCK_TIMEOUT = "5s"
"""How long mending waits for a table's lock."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a schema holds.

    Attributes:
        kind: table, view, column, index, constraint, sequence, trigger.
        table: the table that it is part of; for a sequence the one whose column owns it, if any.
        name: its name.
        definition: all that matters of it, in words of PostgreSQL's, without its name.
        ddl: the statement that makes it, for those that can be made by themselves.
        comment: the comment on it.
    """

    kind: str
    table: str
    name: str
    definition: str
    ddl: str = ""
    comment: str = ""

    @property
    def key(self) -> Key:
        """What tells it apart from others of its schema."""
        return self.kind, self.table, self.name

    def __str__(self) -> str:
        if self.kind == "table" or not self.table or self.table == self.name:
            return f"{self.kind} {self.name}"
        return f"{self.kind} {self.table}.{self.name}" if self.kind == "column" else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it should be.

    Attributes:
        what: `missing`, `extra`, `different` or `comment`; `renamed` if it is there under another name.
        thing: what should be there; for `extra` what is.
        found: what is there instead.
    """

    what: str
    thing: Thing
    found: Thing | None = None

    @property
    def is_note(self) -> bool:
        """Whether it makes no difference to what the schema can do."""
        return self.what == "renamed"

    @property
    def is_safe(self) -> bool:
        """Whether it can be mended by making what is missing."""
        return self.what == "missing" and bool(self.thing.ddl)

    def __str__(self) -> str:
        found = self.found
        if self.what == "renamed" and found is not None:
            return f"{self.thing} on {self.thing.table} is called {found.name}"
        if self.what == "comment" and found is not None:
            return f"{self.thing} has the comment {found.comment!r}, not {self.thing.comment!r}"
        if self.what == "different" and found is not None:
            return f"{self.thing} is {found.definition}, not {self.thing.definition}"
        on = f" on {self.thing.table}" if self.thing.kind in ("index", "constraint", "trigger") else ""
        return f"{self.what} {self.thing}{on}: {self.thing.definition}"


Catalog = Mapping[Key, Thing]

# pg_depend has an index by namespace and pg_class has none: only what one schema holds is looked at, of however many.
# Constraints hold their own indexes. PostgreSQL 18 records NOT NULL as constraints (n), which columns tell already.
_CATALOG = """
    WITH relation AS MATERIALIZED (
        SELECT c.oid, c.relname::text AS name, c.relkind AS kind, c.relpersistence AS persistence,
               c.relispartition AS partition
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
             AND d.classid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class c ON c.oid = d.objid
        WHERE n.nspname = %s
    )
    SELECT CASE WHEN kind IN ('v', 'm') THEN 'view' ELSE 'table' END, name, name,
           CASE WHEN kind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(oid, true)
                ELSE pg_catalog.concat_ws(' ', CASE persistence WHEN 'u' THEN 'unlogged' END,
                     CASE kind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' END,
                     CASE WHEN partition THEN 'partition' END, 'table') END,
           '', pg_catalog.obj_description(oid, 'pg_class')
    FROM relation WHERE kind IN ('r', 'p', 'f', 'v', 'm')
    UNION ALL
    SELECT 'column', r.name, a.attname::text,
           pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
               CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || pg_catalog.quote_ident(l.collname) END,
               CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'NULL' END,
               CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                                  WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
               CASE a.attgenerated WHEN '' THEN 'DEFAULT ' ELSE 'GENERATED ' END
                   || pg_catalog.pg_get_expr(e.adbin, e.adrelid)),
           '', pg_catalog.col_description(r.oid, a.attnum)
    FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = r.oid AND e.adnum = a.attnum
    WHERE r.kind IN ('r', 'p', 'f')
    UNION ALL
    SELECT 'index', r.name, c.relname::text,
           pg_catalog.replace(pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
                              'INDEX ' || pg_catalog.quote_ident(c.relname) || ' ON ', 'INDEX ON ')
               || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END,
           pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), pg_catalog.obj_description(i.indexrelid, 'pg_class')
    FROM relation r
    JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                      WHERE k.conrelid = r.oid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'constraint', r.name, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid),
           pg_catalog.format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', r.name, k.conname,
                             pg_catalog.pg_get_constraintdef(k.oid)),
           pg_catalog.obj_description(k.oid, 'pg_constraint')
    FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conparentid = 0
    UNION ALL
    SELECT 'sequence', coalesce(o.relname::text, ''), r.name,
           pg_catalog.format('%%s from %%s by %%s, %%s to %%s', pg_catalog.format_type(s.seqtypid, NULL), s.seqstart,
                             s.seqincrement, s.seqmin, s.seqmax) || CASE WHEN s.seqcycle THEN ', cycling' ELSE '' END,
           '', pg_catalog.obj_description(r.oid, 'pg_class')
    FROM relation r
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_catalog.pg_class o ON o.oid = d.refobjid
    UNION ALL
    SELECT 'trigger', r.name, g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid, true), '',
           pg_catalog.obj_description(g.oid, 'pg_trigger')
    FROM relation r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal
"""

_FED = """
    SELECT s.relname::text, t.relname::text, a.attname::text
    FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_depend m ON m.refclassid = 'pg_catalog.pg_namespace'::regclass AND m.refobjid = n.oid
         AND m.classid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_class s ON s.oid = m.objid AND s.relkind = 'S'
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = s.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relnamespace = n.oid
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE n.nspname = %s
"""


@dataclass(frozen=True, slots=True)
class LateSequence:
    """A sequence that would hand out numbers that its table holds already.

    Attributes:
        name: its name.
        table, column: what it feeds.
        highest: the highest number there.
    """

    name: str
    table: str
    column: str
    highest: int

    def __str__(self) -> str:
        return f"sequence {self.name} is behind {self.table}.{self.column}, which holds {self.highest}"


def catalog_of(alias: SchemaAlias) -> dict[Key, Thing]:
    """All that a schema holds, by one statement. Its own name stands nowhere in it."""
    path = (alias.schema, *environment(alias.environment).additional_schemas)
    with local_search_path(connections[alias.db], path), connections[alias.db].cursor() as cursor:
        cursor.execute(_CATALOG, [alias.schema])
        things = [Thing(*map(_text, row)) for row in cursor.fetchall()]
    return {thing.key: thing for thing in things}


def expected_catalog(cohort: Cohort, name: str, *, wide: bool = False) -> dict[Key, Thing]:
    """What the schemas of a cohort should hold, by the migrations that they have recorded.

    Args:
        cohort: which migrations.
        name: of their environment.
        wide: whether they were made by `--big-ints`.
    """
    alias = alias_for(cohort.db, SCRATCH, (name,))
    with _scratch(alias, cohort):
        if wide:
            widen_integers(alias)
        found = catalog_of(alias)
    if not cohort.behind:
        return found
    return {key: thing for key, thing in found.items() if thing.table not in unmigrated_tables(alias)}


def unmigrated_tables(alias: SchemaAlias) -> set[str]:
    """Tables of models without migrations, of which no record tells whether they should be there yet."""
    labels = load(target_of(alias)).unmigrated_apps
    return {str.__str__(each._meta.db_table) for each in models_of(alias.environment) if each._meta.app_label in labels}


def narrow(catalog: Catalog) -> bool:
    """Tell whether a catalog has integers of 32 bits."""
    return any(thing.definition.split(" ")[0] == "integer" for thing in catalog.values() if thing.kind == "column")


def compare(expected: Catalog, found: Catalog) -> list[Difference]:
    """What is not as it should be. Of a table that is missing, or too many, its parts are not told one by one."""
    missing = [expected[key] for key in expected if key not in found]
    extra = [found[key] for key in found if key not in expected]
    whole = {thing.name for thing in (*missing, *extra) if thing.kind in ("table", "view")}
    missing, extra = (
        [each for each in things if each.kind in ("table", "view") or each.table not in whole]
        for things in (missing, extra)
    )
    renamed = list(_renamed(missing, extra))
    other_names = {each.key for pair in renamed for each in pair}
    differences = [
        *(Difference("missing", each) for each in missing if each.key not in other_names),
        *(Difference("extra", each) for each in extra if each.key not in other_names),
        *(Difference("renamed", *pair) for pair in renamed),
    ]
    for key in expected.keys() & found.keys():
        one, other = expected[key], found[key]
        if one.definition != other.definition:
            differences.append(Difference("different", one, other))
        elif one.comment != other.comment:
            differences.append(Difference("comment", one, other))
    # The sequence of a widened column is widened with it, and told with it.
    columns = {each.thing.table for each in differences if each.what == "different" and each.thing.kind == "column"}
    return sorted(
        (
            each
            for each in differences
            if not (each.what == "different" and each.thing.kind == "sequence" and each.thing.table in columns)
        ),
        key=lambda each: (each.is_note, each.thing.table, each.thing.kind, each.thing.name),
    )


def late_sequences(alias: SchemaAlias) -> list[LateSequence]:
    """The sequences of a schema whose next number is one that their table holds already; by two statements."""
    with connections[alias.db].cursor() as cursor:
        cursor.execute(_FED, [alias.schema])
        fed = cursor.fetchall()
        if not fed:
            return []
        cursor.execute(" UNION ALL ".join(_late(alias.schema, *names) for names in fed))
        states = cursor.fetchall()
    return [
        LateSequence(name, table, column, top)
        for (name, table, column), (top, last, called) in zip(fed, states, strict=True)
        if top is not None and (last < top or (last == top and not called))
    ]


def mend(alias: SchemaAlias, differences: Sequence[Difference], late: Sequence[LateSequence] = ()) -> dict[Any, str]:
    """Make what is missing and can be made, and set sequences forward. Nothing is dropped.

    Args:
        alias: the schema.
        differences: of which those that are safe are mended.
        late: sequences to be set forward.

    Returns:
        Of each that was tried the error; empty if it is mended.
    """
    outcomes: dict[Any, str] = {}
    # Unique constraints first, which foreign keys need.
    safe = sorted((each for each in differences if each.is_safe), key=lambda each: " FOREIGN KEY " in each.thing.ddl)
    for difference in safe:
        outcomes[difference] = _try(alias, [difference.thing.ddl])
    for sequence in late:
        table, column = qualified(alias.schema, sequence.table), quote(sequence.column)
        name = qualified(alias.schema, sequence.name)
        outcomes[sequence] = _try(
            alias,
            [
                f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
                f"SELECT pg_catalog.setval('{name}', (SELECT max({column}) FROM {table}))",
            ],
        )
    return outcomes


@contextmanager
def _scratch(alias: SchemaAlias, cohort: Cohort) -> Iterator[None]:
    """A schema that is migrated as far as a cohort, for a block."""
    # Without targets the tables of models without migrations are made too.
    targets = _points(cohort) if cohort.behind else None
    target = target_of(alias)
    migrations = load(target).disk_migrations
    if all(migrations[key].atomic for key in cohort.applied if key in migrations):
        with transaction.atomic(using=alias.db):
            migrate_target(target, targets, owner=_OWNER)
            try:
                yield
            finally:
                transaction.set_rollback(True, using=alias.db)
        forget(alias.db, alias.schema)
        return
    with session_lock(alias):
        _drop(alias)
        try:
            migrate_target(target, targets, owner=_OWNER)
            yield
        finally:
            _drop(alias)


def _drop(alias: SchemaAlias) -> None:
    mark = mark_of(alias.db, alias.schema)
    if mark is not None and mark.owner == _OWNER:
        drop_schema(alias.db, alias.schema)


def _points(cohort: Cohort) -> list[tuple[str, str | None]]:
    """The newest of what is applied of each app."""
    newest: dict[str, str | None] = dict(cohort.applied)
    return list(newest.items())


def _renamed(missing: list[Thing], extra: list[Thing]) -> Iterator[tuple[Thing, Thing]]:
    """Indexes and constraints that are there, under other names."""
    left = [each for each in extra if each.kind in ("index", "constraint")]
    for thing in missing:
        for other in left:
            if (thing.kind, thing.table, thing.definition) == (other.kind, other.table, other.definition):
                left.remove(other)
                yield thing, other
                break


def _late(schema: str, sequence: str, table: str, column: str) -> str:
    return (
        f"SELECT (SELECT max({quote(column)}) FROM {qualified(schema, table)}), last_value, is_called "
        f"FROM {qualified(schema, sequence)}"
    )


def _try(alias: SchemaAlias, statements: Sequence[str]) -> str:
    path = (alias.schema, *environment(alias.environment).additional_schemas)
    connection = connections[alias.db]
    try:
        with transaction.atomic(using=alias.db), local_search_path(connection, path):
            lock_schema(alias)
            with local_lock_timeout(alias.db, _LOCK_TIMEOUT), connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
    except Exception as error:
        return f"{type(error).__name__}: {error}".strip()
    return ""


def _text(value: str | None) -> str:
    return value or ""

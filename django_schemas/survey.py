"""The survey: how far schemas are, and what each has to do, found by a few statements for each 500 of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import local
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, connections
from django.db.migrations.state import ProjectState

from .alias import SchemaAlias
from .announcing import import_management_modules
from .course import Course
from .environments import alias_for
from .exceptions import SchemaDoesNotExist, SchemaExists
from .executor import Executor
from .history import Point, load
from .placement import Placement
from .plans import plan_of, target_of, unmigrated_models
from .records import ARRIVAL_DUE, Key, Records, batches, cohorts
from .schemas import mark_in
from .target import target_is

__all__ = ["Cohort", "Survey", "Way", "forget_ways", "not_there", "survey"]


@dataclass(frozen=True)
class Cohort:
    """Schemas of one database that stand at the same point.

    Attributes:
        db: alias of the database.
        environment: whose schemas they are.
        records: what they have recorded.
        points: where they are to be; at the newest migrations if None.
        together: whether they can follow the same course; else each is migrated by itself.
    """

    db: str
    environment: str
    records: Records
    points: tuple[Point, ...] | None = None
    together: bool = True

    def way(self) -> "Way":
        """What is to be done to each; found out once for a run, in each process.

        Raises:
            Exception: their records, or the migrations, contradict each other.
        """
        key = self.environment, self.records, self.points
        if key not in _ways.known:
            _ways.known[key] = self._new_way()
        way = _ways.known[key]
        return way if self.together else way._replace(course=None)

    def _new_way(self) -> "Way":
        target = target_of(alias_for(self.db, _NO_SCHEMA, (self.environment,)))
        import_management_modules()
        with target_is(target):
            history = load(target, self.records)
            executor = Executor(target, history=history)
            plan = plan_of(executor, self.points, syncdb=False)
            steps = tuple((migration.app_label, migration.name) for migration, _ in plan.steps)
            if any(backwards for _, backwards in plan.steps):
                return Way(steps, backwards=True)
            # It takes a while, and is for those alone that have something to do.
            before = ProjectState()
            if plan.steps or history.is_due:
                before = executor._create_project_state(with_applied_migrations=True)  # type: ignore[attr-defined]
            course = Course(history, plan.sequence, before)
        recorded = (key for migration, _ in plan.steps for key in course.records_of(migration))
        behind = self.records.union(recorded) - {ARRIVAL_DUE}
        return Way(steps, course=course if course.is_plain else None, behind=behind)


class Way(NamedTuple):
    """What is to be done to the schemas of a cohort.

    Attributes:
        steps: migrations, by app and name.
        backwards: whether they are taken back.
        course: what all follow; None if each must be migrated by itself.
        behind: what is recorded behind it; None if they are taken back.
    """

    steps: tuple[Key, ...]
    backwards: bool = False
    course: Course | None = None
    behind: Records | None = None

    def __bool__(self) -> bool:
        return self.course is None or bool(self.course)


_NO_SCHEMA = "_"
"""A name for where none is looked at."""


class _Ways(local):
    """What has been found out in this run: of one thread, since what courses remember is of one schema at a time."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, Records, tuple[Point, ...] | None], Way] = {}


_ways = _Ways()


def forget_ways() -> None:
    """Forget what was found out for a run."""
    _ways.known.clear()


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        todo: schemas that have something to do, by cohorts.
        current: those that have nothing to do.
        refused: those that are left alone, each with the reason.
    """

    todo: list[tuple[Cohort, list[SchemaAlias]]]
    current: list[SchemaAlias]
    refused: list[tuple[SchemaAlias, Exception]]


def survey(aliases: Sequence[SchemaAlias], points: Sequence[Point] | None, owners: Mapping[Placement, str]) -> Survey:
    """Find out what schemas have to do. Those in a database that does not answer are refused.

    Args:
        aliases: the schemas.
        points: where they are to be; at the newest migrations if None.
        owners: the word that a schema's mark must bear; any will do for those that are not named.
    """
    forget_ways()
    by_place: defaultdict[tuple[str, str], dict[str, SchemaAlias]] = defaultdict(dict)
    for alias in aliases:
        by_place[alias.db, alias.environment][alias.schema] = alias
    found = Survey([], [], [])
    for (db, environment), named in by_place.items():
        try:
            there = _survey_of(db, environment, named, points, owners)
        except (OperationalError, InterfaceError) as error:
            there = Survey([], [], [(alias, error) for alias in named.values()])
        found.todo.extend(there.todo)
        found.current.extend(there.current)
        found.refused.extend(there.refused)
    return found


def _survey_of(
    db: str,
    environment: str,
    named: Mapping[str, SchemaAlias],
    points: Sequence[Point] | None,
    owners: Mapping[Placement, str],
) -> Survey:
    """What the schemas of one database, by their names, have to do."""
    found = Survey([], [], [])
    seen = _Seen(db, environment, list(named))
    for schema, alias in named.items():
        if refusal := seen.refusal(alias, owners.get(alias.placement)):
            found.refused.append((alias, refusal))
            seen.skip(schema)
    for cohort, schemas in seen.cohorts(None if points is None else tuple(points)):
        members = [named[schema] for schema in schemas]
        try:
            way = cohort.way()
        except Exception as error:
            found.refused.extend((alias, error) for alias in members)
            continue
        if way:
            found.todo.append((cohort, members))
        else:
            found.current.extend(members)
    found.refused.extend((named[schema], not_there(named[schema])) for schema in seen.gone)
    return found


def not_there(alias: SchemaAlias) -> SchemaDoesNotExist:
    """What to say of a schema that is not there."""
    return SchemaDoesNotExist(f"There is no schema {alias.schema!r} in database {alias.db!r}.")


_SEEN = """
    SELECT n.nspname::text, obj_description(n.oid, 'pg_namespace'),
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relnamespace = n.oid AND c.relname = 'django_migrations' AND c.relkind = 'r')
    FROM pg_catalog.pg_namespace n WHERE n.nspname = ANY(%s)
"""
_TABLES = """
    SELECT n.nspname::text, count(*)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relname = ANY(%s) GROUP BY 1
"""


class _Seen:
    """What a database tells of some schemas, in few statements."""

    def __init__(self, db: str, environment: str, schemas: list[str]) -> None:
        self.db, self.environment = db, environment
        self.found: dict[str, tuple[str | None, bool]] = {}
        self.gone: set[str] = set()
        for batch in batches(schemas):
            with connections[db].cursor() as cursor:
                cursor.execute(_SEEN, [batch])
                self.found.update((schema, (comment, told)) for schema, comment, told in cursor.fetchall())

    def refusal(self, alias: SchemaAlias, owner: str | None) -> Exception | None:
        """Why a schema is left alone; None if it is not."""
        if alias.schema not in self.found:
            return not_there(alias)
        comment, _ = self.found[alias.schema]
        mark = mark_in(comment)
        if mark is None or mark.environment != self.environment or owner not in (None, mark.owner):
            return SchemaExists(
                f"Schema {alias.schema!r} in database {alias.db!r} "
                + (f"belongs to another ({mark})." if mark else "was not made by django_schemas.")
            )
        return None

    def skip(self, schema: str) -> None:
        """Look no further at a schema."""
        self.found.pop(schema, None)

    def cohorts(self, points: tuple[Point, ...] | None) -> Iterator[tuple[Cohort, list[str]]]:
        """The schemas by what they have recorded."""
        told = [schema for schema, (_, has_table) in self.found.items() if has_table]
        alone = self._without_table(told) if points is None else set()
        # What is dropped while it is looked at is in no cohort.
        self.gone = set(told)
        for records, members in cohorts(self.db, told).items():
            self.gone.difference_update(members)
            for together in (True, False):
                some = [schema for schema in members if (schema not in alone) is together]
                if some:
                    yield Cohort(self.db, self.environment, records, points, together), some
        untold = [schema for schema, (_, has_table) in self.found.items() if not has_table]
        if untold:
            yield Cohort(self.db, self.environment, frozenset(), points, together=False), untold

    def _without_table(self, schemas: list[str]) -> set[str]:
        """Schemas that lack the table of a model whose app has no migrations."""
        target = target_of(alias_for(self.db, _NO_SCHEMA, (self.environment,)))
        models = unmigrated_models(Executor(target, history=load(target, ())))
        tables = [str.__str__(model._meta.db_table) for model in models]
        lacking = set(schemas) if tables else set()
        for batch in batches(sorted(lacking)):
            with connections[self.db].cursor() as cursor:
                cursor.execute(_TABLES, [batch, tables])
                lacking -= {schema for schema, number in cursor.fetchall() if number == len(tables)}
        return lacking

"""Every step of a tenant's life can die: at each statement and commit the SQL fails, the backend is terminated, or the
process is killed; and whichever way somebody then goes on, the tenant ends whole or gone, and nothing else was touched.

The short form takes a sample of the points, those around commits among them; the long one, marked `long`, takes all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from tenancy import lifecycle
from tenancy.models import Tenant
from tenancy.ownership import schemas_owned
from tests.apps.crates.models import Crate
from tests.faults import Fault, Outcome, faults_at, points_of, run

pytestmark = [
    pytest.mark.usefixtures("committed", "small"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

DATABASES = ("default", "shard2")
SAMPLE = 4
"""How many faults the short form of each test injects."""


def tenant(*words: str) -> None:
    call_command("tenant", *words, stdout=StringIO(), stderr=StringIO())


def create(db: str) -> None:
    tenant("create", "Doomed", "--db", db)


def delete() -> None:
    tenant("delete", "doomed", "--yes-really=doomed")


def restore() -> None:
    tenant("restore", "doomed")


def purge() -> None:
    tenant("purge", "doomed", "--yes-really=doomed")


def rename() -> None:
    tenant("rename", "doomed", "--slug", "doomed-again", "--schema", "doomed_again")


def away() -> None:
    """Delete and purge whatever is there."""
    for each in Tenant.objects.filter(name="Doomed"):
        lifecycle.resume_work(each) if each.status == "moving" else None
        if not (each.work and each.work["kind"] == "purge"):
            lifecycle.delete(each)
        lifecycle.purge(each)


def resume(db: str) -> None:
    for each in Tenant.objects.filter(name="Doomed"):
        tenant("resume-work", each.slug)


def again(words: Callable[[], None]) -> None:
    """Run a command again, which has nothing left to do if what was cut off had come to its end."""
    try:
        words()
    except CommandError:
        return


def state() -> str:
    """What the tenant is; with whatever is not as it must be then."""
    found = Tenant.objects.filter(name="Doomed").first()
    if found is None:
        left = [schema for db in DATABASES for schema in doomed_schemas(db)]
        return f"gone, but {left}" if left else "gone"
    owned = [str(place) for place in schemas_owned(found)]
    wanted = {
        "active": (f"{found.placement}", None),
        "deleting": (f"{found.db}._deleted_{found.pk.hex}", "delete"),
    }.get(found.status)
    if wanted is None or (owned, found.work and found.work["kind"]) != ([wanted[0]], wanted[1]):
        return f"{found.status}, but {owned}, {found.work}, {found.status_reason}"
    if found.status == "active":
        labels = [crate.label for crate in Crate.set_db(found.db, found.schema_name).objects.all()]
        assert labels == ["first"]
        return f"active as {found.slug}, {found.schema_name}"
    return found.status


def doomed_schemas(db: str) -> list[str]:
    """Schemas that are no bystander's."""
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT nspname::text FROM pg_namespace WHERE nspname ~ 'doomed|^_deleted|^_mov' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def others(db: str) -> list[Any]:
    """All that is in a database and is not the tenant's: relations with their files, and comments on schemas."""
    with connections[db].cursor() as cursor:
        cursor.execute(
            "SELECT md5(string_agg(concat_ws(' ', nspname, obj_description(n.oid), relname, relfilenode), ',' "
            "ORDER BY nspname, relname)) FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid "
            "WHERE nspname !~ 'doomed|^_deleted|^_mov|^pg_'"
        )
        digest = cursor.fetchone()
        cursor.execute('SELECT label FROM "bystander".crates_crate')
        return [digest, cursor.fetchall()]


AS_IT_WAS = "active as doomed, doomed"
RENAMED = "active as doomed-again, doomed_again"


@dataclass(frozen=True)
class Step:
    """A step of a tenant's life.

    Attributes:
        before: what is done first, unharmed; each is given the database.
        act: the step itself.
        ways: how somebody may go on, and what the tenant may be then.
    """

    before: tuple[Callable[[str], None], ...]
    act: Callable[[str], None]
    ways: dict[str, tuple[Callable[[str], None], set[str]]]


def making(act: Callable[[str], None]) -> Step:
    """A step that makes the tenant out of nothing, in whatever way."""

    def resume_or_act(db: str) -> None:
        # What was cut off before there was a row is made.
        resume(db)
        if not Tenant.objects.filter(name="Doomed").exists():
            act(db)

    return Step(
        (),
        act,
        {
            "resume": (resume_or_act, {AS_IT_WAS}),
            "retry": (lambda db: again(partial(act, db)), {AS_IT_WAS}),
            "delete": (of(away), {"gone"}),
        },
    )


def of(words: Callable[[], None]) -> Callable[[str], None]:
    return lambda db: words()


def retry(words: Callable[[], None]) -> Callable[[str], None]:
    return lambda db: again(words)


def restore_or_purge(db: str) -> None:
    again(restore)
    found = Tenant.objects.filter(name="Doomed").first()
    if found is not None and found.status == "deleting":
        purge()


STEPS = {
    "create": making(create),
    "delete": Step(
        (create,),
        of(delete),
        {
            "resume": (resume, {AS_IT_WAS, "deleting"}),
            "retry": (retry(delete), {"deleting"}),
            "restore": (retry(restore), {AS_IT_WAS}),
        },
    ),
    "restore": Step(
        (create, of(delete)),
        of(restore),
        {
            "resume": (resume, {AS_IT_WAS, "deleting"}),
            "retry": (retry(restore), {AS_IT_WAS}),
            "delete": (retry(delete), {"deleting"}),
        },
    ),
    "purge": Step(
        (create, of(delete)),
        of(purge),
        {
            "resume": (resume, {"deleting", "gone"}),
            "retry": (retry(purge), {"gone"}),
            "restore": (restore_or_purge, {AS_IT_WAS, "gone"}),
        },
    ),
    "rename": Step(
        (create,),
        of(rename),
        {
            "resume": (resume, {AS_IT_WAS, RENAMED}),
            "retry": (retry(rename), {RENAMED}),
            "delete": (of(away), {"gone"}),
        },
    ),
}


@pytest.fixture
def small(settings: Any, tenants: Any, committed: None) -> Iterator[None]:
    """Tenants live in an environment of few migrations; a bystander has one in each database."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    for db in DATABASES:
        databases[db]["ENVIRONMENTS"] = [*databases[db]["ENVIRONMENTS"], "crates"]
    settings.DATABASES = databases
    settings.TENANCY = {**settings.TENANCY, "ENVIRONMENT": "crates"}
    bystanders = [Tenant.objects.create(name=f"Bystander {db}", schema_name="bystander", db=db) for db in DATABASES]
    yield
    away()
    for bystander in bystanders:
        lifecycle.delete(bystander)
        lifecycle.purge(bystander)


def prepare(step: Step, db: str) -> None:
    away()
    for done in step.before:
        done(db)


def sample(points: list[str]) -> list[tuple[Fault, str]]:
    """Some faults: all around the last commits, and every so many of the rest, each with one way of going on."""
    faults = list(faults_at(points))
    commits = [number for number, point in enumerate(points, 1) if point.endswith("COMMIT")][-2:]
    near = [fault for fault in faults if any(fault.at - commit in (0, 1) for commit in commits)]
    rest = [fault for fault in faults if fault not in near]
    few = [*near[:: max(len(near) * 2 // SAMPLE, 1)], *rest[:: max(len(rest) * 2 // SAMPLE, 1)]]
    return [(fault, str(number)) for number, fault in enumerate(few)]


def what_is_wrong(step: Step, db: str, way: str, break_it: Callable[[Callable[[], None]], Outcome]) -> str | None:
    """Break a step, go on in a way, from the start; what did not end well, if anything."""
    prepare(step, db)
    untouched = [others(each) for each in DATABASES]
    outcome = break_it(partial(step.act, db))
    go_on, wanted = step.ways[way]
    try:
        go_on(db)
        found = state()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    if found in wanted and [others(each) for each in DATABASES] == untouched:
        return None
    away()
    return f"{outcome.error}; {way}: {found}"


def outcomes(step: Step, db: str, faults: list[tuple[Fault, str]], points: list[str]) -> list[str]:
    """Inject each fault and go on, each time from the start; what did not end well."""
    wrong = []
    for fault, way in faults:
        found = what_is_wrong(step, db, way, partial(run, fault=fault))
        if found is not None:
            at = points[fault.at - 1] if fault.at <= len(points) else "the end"
            wrong.append(f"{fault.how} at {fault.at} ({at[:90]}), {found}")
    return wrong


def wrong_ends(step: Step, db: str, anywhere: bool) -> list[str]:
    """What does not end well of a step that is cut off: at a sample of the points, each going on in one of the ways by
    turns; or at every point, in every way, going on in every way.
    """
    prepare(step, db)
    points, ways = points_of(partial(step.act, db)), list(step.ways)
    if anywhere:
        faults = [(fault, way) for fault in faults_at(points) for way in ways]
    else:
        faults = [(fault, ways[int(number) % len(ways)]) for fault, number in sample(points)]
    wrong = outcomes(step, db, faults, points)
    print(f"on {db}: {len(points)} points, {len(faults)} runs, {len(wrong)} wrong")
    return wrong


@pytest.mark.parametrize("db", DATABASES)
@pytest.mark.parametrize("name", STEPS)
def test_a_sample(name: str, db: str) -> None:
    """At a sample of the points, each going on in one of the ways by turns."""
    assert wrong_ends(STEPS[name], db, anywhere=False) == []


@pytest.mark.long
@pytest.mark.parametrize("db", DATABASES)
@pytest.mark.parametrize("name", STEPS)
def test_all(name: str, db: str) -> None:
    """At every point, in every way, going on in every way."""
    assert wrong_ends(STEPS[name], db, anywhere=True) == []

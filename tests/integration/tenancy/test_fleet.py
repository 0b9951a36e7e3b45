"""`tenant migrate` and `tenant runs`: which tenants, in which order, what is told and written down of them."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.history import load
from django_schemas.plans import target_of
from tenancy import lifecycle
from tenancy.fleet import migrate_tenants
from tenancy.models import Tenant
from tenancy.runs import FleetRun, last_run
from tenancy.states import Status
from tenancy.work import working_on
from tests.apps.crates.models import Crate

NUMBER = 4
COLOUR = """
    class Migration(migrations.Migration):
        operations = [migrations.AddField("Crate", "colour", models.CharField(max_length=9, null=True))]
"""
LABELS = """
    class Migration(migrations.Migration):
        operations = [
            migrations.RunSQL("INSERT INTO crates_crate (label) VALUES ('added')", migrations.RunSQL.noop)
        ]
"""
BROKEN = """
    class Migration(migrations.Migration):
        operations = [migrations.RunSQL("SELECT 1 / count(*) FROM crates_crate WHERE label <> 'broken'")]
"""

pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


@pytest.fixture(autouse=True)
def _copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are copies of this process, with the migrations that a test has written, whatever threads others left."""
    monkeypatch.setattr("django_schemas.workers.threading.active_count", lambda: 1)


@pytest.fixture(autouse=True)
def fleet(settings: Any, provisioned: Any, committed: None) -> Iterator[list[Tenant]]:
    """Four tenants in an environment of few migrations, three of them in one database."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    for db in ("default", "shard2"):
        databases[db]["ENVIRONMENTS"] = [*databases[db]["ENVIRONMENTS"], "crates"]
    settings.DATABASES = databases
    settings.TENANCY = {**settings.TENANCY, "ENVIRONMENT": "crates"}
    made = [
        Tenant.objects.create(name=f"Small {number}", db="shard2" if number == NUMBER else "default")
        for number in range(1, NUMBER + 1)
    ]
    FleetRun.objects.all().delete()
    yield made
    for tenant in Tenant.objects.filter(name__startswith="Small"):
        if tenant.status == Status.MOVING:
            tenant.set_status(Status.ACTIVE)
        if tenant.status != Status.DELETING:
            lifecycle.delete(tenant)
        lifecycle.purge(tenant)


@pytest.fixture
def write(write_migrations: Any) -> Callable[..., str]:
    return lambda **sources: write_migrations("crates", **sources)


@pytest.fixture
def write_migrations(request: Any, tmp_path: Any, monkeypatch: Any, settings: Any) -> Any:
    from tests.integration.django_schemas import conftest

    yield from conftest.write_migrations.__wrapped__(tmp_path, monkeypatch, settings)  # type: ignore[attr-defined]


SLUGS = [f"small-{number}" for number in range(1, NUMBER + 1)]


def tenant(*words: str) -> str:
    out = StringIO()
    call_command("tenant", *words, stdout=out, stderr=out)
    return out.getvalue()


def migrate(*words: str) -> Any:
    """What machines are told of our tenants, and whether it failed."""
    out = StringIO()
    try:
        call_command("tenant", "migrate", *words, "--json", stdout=out, stderr=StringIO())
        failed = ""
    except CommandError as error:
        failed = str(error)
    return {each["slug"]: each for each in json.loads(out.getvalue())}, failed


def states(documents: dict[str, Any]) -> dict[str, str]:
    return {slug: document["state"] for slug, document in documents.items()}


def labels(each: Tenant) -> list[str]:
    rows = Crate.set_db(each.db, each.schema_name).objects.order_by("pk")
    return list(rows.values_list("label", flat=True))


def migrated(each: Tenant) -> list[str]:
    """Names of the migrations behind the second."""
    return sorted(name for _, name in load(target_of(each.alias)).recorded)[2:]


def ours(*slugs: str) -> tuple[str, ...]:
    return slugs or tuple(SLUGS)


@contextmanager
def elsewhere(*slugs: str) -> Iterator[None]:
    """Another process works on these tenants."""
    held, over = threading.Event(), threading.Event()

    def work() -> None:
        with working_on(*slugs):
            held.set()
            over.wait(30)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_told(fleet: list[Tenant], write: Any) -> None:
    """What was done to each, in words and for machines; the journal keeps it."""
    write(_0003_colour=COLOUR, _0004_labels=LABELS)
    planned, _ = migrate(*ours(), "--plan")
    assert {(each["state"], each["done"], *each["migrations"]) for each in planned.values()} == {
        (
            "planned",
            "would apply crates.0003_colour, crates.0004_labels",
            "crates.0003_colour",
            "crates.0004_labels",
        )
    }
    assert all(migrated(each) == [] for each in fleet)
    assert last_run() is None
    *lines, summary = tenant("migrate", *SLUGS[:2]).splitlines()
    assert lines == [f"{slug}: 2 migrations applied" for slug in SLUGS[:2]]
    assert summary.startswith("2 tenants: 2 migrated; ")
    done, failed = migrate(*ours())
    assert (states(done), failed) == (dict(zip(SLUGS, ["current"] * 2 + ["migrated"] * 2, strict=True)), "")
    assert done["small-4"] == {
        "slug": "small-4",
        "state": "migrated",
        "migrations": ["crates.0003_colour", "crates.0004_labels"],
        "backwards": False,
        "done": "2 migrations applied",
        "error": "",
        "seconds": done["small-4"]["seconds"],
    }
    assert all(labels(each) == ["first", "added"] for each in fleet)
    newest, oldest = json.loads(tenant("runs", "--json"))
    assert (newest["counts"], newest["total"], newest["reasons"]) == ({"current": 2, "migrated": 2}, 4, {})
    assert (oldest["counts"], oldest["selection"]["slugs"]) == ({"migrated": 2}, SLUGS[:2])
    assert newest["ended_at"] >= newest["seen_at"] >= newest["started_at"]


def test_failures_are_named(fleet: list[Tenant], write: Any) -> None:
    """The others are done; the exit is 1, the reason stands with each and in the journal; resumed, the rest is done."""
    write(_0003_broken=BROKEN)
    Crate.set_db("default", "small-2").objects.update(label="broken")
    with pytest.raises(CommandError, match=r"^Not done for small-2\.$") as caught:
        tenant("migrate", *SLUGS)
    assert caught.value.returncode == 1
    run = last_run()
    assert run is not None
    assert (run.counts, list(run.reasons)) == ({"failed": 1, "migrated": 3}, ["small-2"])
    assert run.reasons["small-2"].startswith("DataError: division by zero")
    assert "small-2: DataError: division by zero" in tenant("runs")
    Crate.set_db("default", "small-2").objects.update(label="mended")
    done, failed = migrate("--resume")
    assert (states(done), failed) == ({**dict.fromkeys(SLUGS, "current"), "small-2": "migrated"}, "")


def test_where_to(fleet: list[Tenant], write: Any) -> None:
    """Up to a point and down again, which is told as what it is; --resume goes to the same point."""
    write(_0003_colour=COLOUR, _0004_labels=LABELS)
    assert "small-1: 1 migration applied" in tenant("migrate", "small-1", "--to", "crates", "0003")
    migrate(*ours(), "--to", "crates", "0003")
    assert {tuple(migrated(each)) for each in fleet} == {("0003_colour",)}
    assert states(migrate("--resume")[0]) == dict.fromkeys(SLUGS, "current")
    migrate(*ours())
    planned, _ = migrate("small-1", "--to", "crates", "0002", "--plan")
    assert planned["small-1"]["done"] == "would take back crates.0004_labels, crates.0003_colour"
    assert "small-1: 2 migrations taken back" in tenant("migrate", "small-1", "--to", "crates", "0002")
    run = last_run()
    assert run is not None
    assert run.goal == ["crates", "0002"]
    done, _ = migrate(*ours(), "--to", "crates", "zero")
    assert done["small-2"]["migrations"] == [
        "crates.0004_labels",
        "crates.0003_colour",
        "crates.0002_first_crate",
        "crates.0001_initial",
    ]
    assert states(migrate("--resume")[0]) == dict.fromkeys(SLUGS, "current")
    assert states(migrate(*ours())[0]) == dict.fromkeys(SLUGS, "migrated")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "There is no run to go on with"),
        (["--resume", "small-1"], "--resume goes on with the tenants of the run before"),
        (["--resume", "--to", "crates", "0002"], "--resume goes on with the tenants of the run before"),
        (["small-1", "--to", "crates", "0009"], "No migration of 'crates' begins with '0009'"),
        (["small-1", "--to", "garage", "0001"], "App 'garage' has no migrations for"),
        (["small-1", "--max-failures", "0"], "--max-failures: invalid positive value: '0'"),
        (["small-1", "--canary", "-1"], "--canary: invalid positive value: '-1'"),
        (["small-1", "--lock-timeout", "soon"], "lock_timeout 'soon' is not valid"),
    ],
)
def test_words_that_make_no_sense(words: list[str], message: str, write: Any, fleet: list[Tenant]) -> None:
    """They are refused before anything is done."""
    write(_0003_colour=COLOUR)
    with pytest.raises(Exception, match=message):
        tenant("migrate", *words)
    assert all(migrated(each) == [] for each in fleet)


@pytest.mark.parametrize(
    ("words", "number"), [(["--max-failures", "2"], 2), (["--canary", "2"], 1), (["--max-failures", "9"], 4)]
)
def test_stopped(words: list[str], number: int, fleet: list[Tenant], write: Any) -> None:
    """Behind so many that failed, or a canary, none is begun: these are told as left."""
    write(_0003_broken=BROKEN)
    for each in fleet:
        Crate.set_db(each.db, each.schema_name).objects.update(label="broken")
    documents, failed = migrate(*ours(), *words)
    assert sorted(states(documents).values()) == ["failed"] * number + ["left"] * (NUMBER - number)
    assert failed == f"Not done for {', '.join(SLUGS)}."
    run = last_run()
    assert run is not None
    left = {"left": NUMBER - number} if number < NUMBER else {}
    assert (run.counts, list(run.reasons)) == ({"failed": number, **left}, list(run.reasons))
    assert sorted(run.reasons) == SLUGS


def test_one_that_is_worked_on(fleet: list[Tenant], write: Any) -> None:
    """A tenant that is moved, cloned or deleted just now is left alone, told as locked, and done when that is over."""
    write(_0003_labels=LABELS)
    with elsewhere("small-2"):
        documents, failed = migrate(*ours(), "--retry-for", "0")
        assert states(documents) == {**dict.fromkeys(SLUGS, "migrated"), "small-2": "locked"}
        assert documents["small-2"]["error"] == "SchemaLocked: Another process works on tenant 'small-2'."
        assert failed == "Not done for small-2."
    assert states(migrate("--resume")[0]) == {**dict.fromkeys(SLUGS, "current"), "small-2": "migrated"}


def test_one_that_is_worked_on_for_a_while(fleet: list[Tenant], write: Any) -> None:
    """It is done when the other is."""
    write(_0003_labels=LABELS)
    run = migrate_tenants(fleet, retry_for_s=20)
    with elsewhere("small-2"):
        assert {next(run)[0].slug for _ in range(3)} == {"small-1", "small-3", "small-4"}
    assert [(each.slug, outcome.state) for each, outcome in run] == [("small-2", "migrated")]


@pytest.mark.parametrize(
    ("status", "state"),
    [("suspended", "migrated"), ("moving", "failed"), ("deleting", "failed"), ("gone", "failed"), ("moved", "failed")],
)
def test_what_happens_before_its_turn(status: str, state: str, fleet: list[Tenant], write: Any, settings: Any) -> None:
    """A tenant that is moved, deleted or purged between the survey and its turn is not migrated; a suspended one is."""
    from django_schemas import fleet as engine

    write(_0003_labels=LABELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_AT_ONCE", 1)
        run = migrate_tenants([fleet[0], fleet[1]])
        first, outcome = next(run)
        (other,) = (each for each in fleet[:2] if each.pk != first.pk)
        if status == "moved":
            lifecycle.move(Tenant.objects.get(pk=other.pk), "shard2")
        elif status in ("deleting", "gone"):
            lifecycle.delete(Tenant.objects.get(pk=other.pk))
            if status == "gone":
                lifecycle.purge(Tenant.objects.get(pk=other.pk))
        else:
            Tenant.objects.get(pk=other.pk).set_status(Status(status))
        ((told, last),) = run
    assert (outcome.state, told.slug, last.state) == ("migrated", other.slug, state)
    if state == "failed":
        assert last.error.startswith("TenantNotActive: ")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [other.schema_name])
        assert cursor.fetchone() == (0 if status in ("moved", "deleting", "gone") else 1,)


def test_statuses(fleet: list[Tenant], write: Any) -> None:
    """Those that are moved or deleted just now are told as such, by --plan too; suspended ones are migrated."""
    write(_0003_labels=LABELS)
    fleet[0].set_status(Status.SUSPENDED)
    fleet[1].set_status(Status.MOVING)
    lifecycle.delete(fleet[2])
    expected = {"small-1": "migrated", "small-2": "failed", "small-3": "failed", "small-4": "migrated"}
    planned, _ = migrate(*ours(), "--plan")
    assert states(planned) == {slug: state.replace("migrated", "planned") for slug, state in expected.items()}
    documents, _ = migrate(*ours())
    assert states(documents) == expected
    assert documents["small-2"]["error"] == "TenantNotActive: Tenant 'small-2' is moving: its schema is not migrated."


def test_two_threads(fleet: list[Tenant], write: Any) -> None:
    """Two fleets of one process, each in a thread of its own, don't get into each other's way."""
    write(_0003_labels=LABELS)
    found: list[Any] = []

    def run(half: list[Tenant]) -> None:
        try:
            found.extend(outcome.state for _, outcome in migrate_tenants(half))
        except Exception as error:
            found.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(half,)) for half in (fleet[:2], fleet[2:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["migrated"] * NUMBER


def test_the_session_that_holds_locks_ends(fleet: list[Tenant], write: Any, monkeypatch: Any) -> None:
    """Its end costs no more than the tenants that were in hand: the next are locked on a new one."""
    from django_schemas import fleet as engine
    from tenancy import fleet as ours_too

    monkeypatch.setattr(engine, "_AT_ONCE", 1)
    write(_0003_labels=LABELS)
    run = migrate_tenants(fleet)
    next(run)
    (holder,) = ours_too._lock_connections.values()
    pid = holder.connection.info.backend_pid  # type: ignore[union-attr]
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert [outcome.state for _, outcome in run] == ["migrated"] * 3
    assert ours_too._lock_connections == {}


def test_the_journals_session_ends(fleet: list[Tenant], write: Any, monkeypatch: Any) -> None:
    """The journal is written by another session then: the run goes on."""
    from tenancy import runs

    monkeypatch.setattr(runs, "_EVERY_S", 0.0)
    write(
        _0003_end="""
        def end(apps, schema_editor):
            other = schema_editor.connection.copy()
            with other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                               "WHERE query ~ '^UPDATE.*tenancy_fleetrun' AND pid <> pg_backend_pid()")
            other.close()

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(end)]
        """
    )
    documents, failed = migrate(*ours(), "--parallel", "2")
    assert (states(documents), failed) == (dict.fromkeys(SLUGS, "migrated"), "")
    run = last_run()
    assert run is not None
    assert (run.counts, run.ended_at is None) == ({"migrated": 4}, False)


def test_parallel(fleet: list[Tenant], write: Any, tmp_path_factory: Any) -> None:
    """Few tenants are shared out too: none waits behind another while a worker has nothing to do."""
    begun = tmp_path_factory.mktemp("begun")
    write(
        _0003_pid=f"""
        import os, tempfile, time

        def add(apps, schema_editor):
            # They are taken two at a time: each waits for another worker's.
            begun, deadline = {str(begun)!r}, time.monotonic() + 30
            tempfile.mkstemp(dir=begun)
            number = len(os.listdir(begun))
            while len(os.listdir(begun)) < number + number % 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            apps.get_model("crates", "Crate").objects.create(label=str(os.getpid()))

        class Migration(migrations.Migration):
            operations = [migrations.RunPython(add)]
        """
    )
    documents, failed = migrate(*ours(), "--parallel", "2")
    assert (states(documents), failed) == (dict.fromkeys(SLUGS, "migrated"), "")
    pids = [labels(each)[-1] for each in fleet]
    assert sorted(map(pids.count, set(pids))) == [2, 2]
    assert str(os.getpid()) not in pids


def test_renamed_meanwhile(fleet: list[Tenant], write: Any) -> None:
    """One that is renamed between being chosen and being locked is migrated, unless somebody works on it by its new
    name.
    """
    write(_0003_colour=COLOUR)
    chosen = list(Tenant.objects.filter(slug__in=SLUGS))
    lifecycle.rename(Tenant.objects.get(slug="small-2"), slug="small-two")

    def states_of(outcomes: Any) -> dict[str, str]:
        return {tenant.schema_name: outcome.state for tenant, outcome in outcomes}

    others = {slug: "migrated" for slug in SLUGS if slug != "small-2"}
    with elsewhere("small-two"):
        found = states_of(migrate_tenants(chosen, retry_for_s=0))
    assert found == {**others, "small-2": "locked"}
    found = states_of(migrate_tenants(chosen, retry_for_s=0))
    assert found == {**dict.fromkeys(others, "current"), "small-2": "migrated"}

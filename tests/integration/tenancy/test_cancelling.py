"""A tenant that is being made in one process is given up by another: the first finds out, and nothing is left."""

import os
import select
import signal
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from multiprocessing import get_context
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models.signals import post_migrate

from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.schemas import schema_exists
from tenancy import cancelling, lifecycle, provisioning, signals
from tenancy.exceptions import IllegalTransition, ProvisioningCancelled
from tenancy.filling import fill, ready, sweep
from tenancy.models import Tenant
from tenancy.provisioning import postponed, provision, reporting
from tests.faults import leave_inherited_connections
from tests.integration.tenancy.test_kill_matrix import small  # noqa: F401  # a fixture

pytestmark = [
    pytest.mark.usefixtures("committed", "clear"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

DATABASES = ("default", "shard2")


@pytest.fixture
def clear(small: None) -> Iterator[None]:  # noqa: F811
    yield
    for tenant in Tenant.objects.filter(name__startswith="Begun"):
        if tenant.status != "deleting":
            lifecycle.delete(tenant)
        lifecycle.purge(tenant)
    for db in DATABASES:
        sweep(db, everything=True)


def begun(db: str, name: str = "Begun") -> Tenant:
    """A tenant that is to be provisioned."""
    with postponed():
        return Tenant.objects.create(name=name, db=db)


class Gate:
    """Where the process that makes a tenant waits. Of pipes: what waits on them is interrupted by any signal."""

    def __init__(self) -> None:
        (self._is_reached, self._reach), (self._is_opened, self._open) = os.pipe(), os.pipe()

    def wait(self, *args: Any, **kwargs: Any) -> None:
        os.write(self._reach, b".")
        os.read(self._is_opened, 1)

    def reached(self) -> bool:
        """Wait until the process is at the gate."""
        return bool(select.select([self._is_reached], [], [], 30)[0])

    def open(self) -> None:
        os.write(self._open, b".")

    def close(self) -> None:
        for each in (self._is_reached, self._reach, self._is_opened, self._open):
            os.close(each)

    def progress(self, at: tuple[str, str], action: str, migration: Any = None, fake: bool = False) -> None:
        """Wait as a migration begins or ends."""
        if (action, getattr(migration, "name", "")) == at:
            self.wait()


class Process:
    """A process that does something until it comes to the gate."""

    def __init__(self, function: Callable[[Gate], object]) -> None:
        context = get_context("fork")
        self.gate = Gate()
        self.answers = context.SimpleQueue()
        self.process = context.Process(target=self._run, args=(function,))
        self.process.start()
        assert self.gate.reached()

    def _run(self, function: Callable[[Gate], object]) -> None:
        leave_inherited_connections()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            answer = function(self.gate)
        except Exception as error:
            answer = error
        except KeyboardInterrupt:
            os._exit(130)
        self.answers.put(answer)
        os._exit(0)

    def go(self) -> Any:
        """Let it go on, and say what it returned or raised."""
        self.gate.open()
        self.process.join(30)
        self.gate.close()
        return self.answers.get() if not self.answers.empty() else self.process.exitcode

    def kill(self, number: int) -> int | None:
        os.kill(self.process.pid or 0, number)
        self.process.join(30)
        self.gate.close()
        return self.process.exitcode


def give_up(process: Process, function: Callable[[], None], seen: str = "failed") -> Any:
    """Call a function in a thread, let the process go on once the function has written down the status."""
    errors: list[BaseException] = []

    def called() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    thread = Thread(target=called)
    thread.start()
    deadline = monotonic() + 10
    while Tenant.objects.get(name="Begun").status == "provisioning":
        assert monotonic() < deadline
        sleep(0.02)
    # Who has just asked does not ask at once again.
    sleep(cancelling._ASKED_EACH_S)
    answer = process.go()
    thread.join(30)
    assert errors == []
    return answer


def left() -> tuple[Any, ...]:
    """Status and reason of the tenant, and schemas that are left of it; relations that are in no schema of theirs."""
    tenant = Tenant.objects.get(name="Begun")
    schemas = []
    for db in DATABASES:
        with connections[db].cursor() as cursor:
            cursor.execute("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^begun$|^_deleted|^_pool'")
            schemas += [name for (name,) in cursor.fetchall()]
            cursor.execute(
                "SELECT relname::text FROM pg_class WHERE relname ~ 'crates' AND relnamespace = 'public'::regnamespace"
            )
            schemas += [f"public.{name}" for (name,) in cursor.fetchall()]
    return tenant.status, tenant.status_reason, schemas


CANCELLED = ("failed", "cancelled", [])


@pytest.mark.parametrize("db", DATABASES)
def test_between_migrations(db: str, settings: Any) -> None:
    """The process stops before the next migration; who cancelled it waits for that, and it can be tried again."""
    settings.TENANCY = {**settings.TENANCY, "BLUEPRINT": False}  # One that is kept makes all in one go.
    tenant = begun(db)
    seen: list[str] = []

    def make(gate: Gate) -> None:
        def progress(action: str, migration: Any = None, fake: bool = False) -> None:
            seen.append(f"{action} {migration.name}") if migration else None
            gate.progress(("apply_success", "0001_initial"), action, migration)

        try:
            provision(tenant, progress=progress)
        except ProvisioningCancelled as error:
            raise ProvisioningCancelled(f"{error} {seen}") from error

    process = Process(make)
    answer = give_up(process, partial(lifecycle.cancel, Tenant.objects.get(pk=tenant.pk)))
    assert (type(answer), str(answer)) == (
        ProvisioningCancelled,
        "Tenant 'begun' was given up while it was being made: it is failed now. "
        "['apply_start 0001_initial', 'apply_success 0001_initial']",
    )
    assert left() == CANCELLED
    lifecycle.resume_work(tenant)
    assert left() == ("active", "", ["begun"])


def provision_waiting(tenant: Tenant, gate: Gate) -> None:
    provision(tenant, progress=partial(gate.progress, ("apply_success", "0001_initial")))


@pytest.mark.parametrize("db", DATABASES)
@pytest.mark.parametrize("pooled", [False, True])
def test_at_the_end(db: str, pooled: bool) -> None:
    """What was made, or claimed, is dropped if the tenant was cancelled before it became active."""
    tenant = begun(db)
    list(fill(db, int(pooled)))

    def make(gate: Gate) -> None:
        provisioning.newest = lambda: gate.wait() or {}  # type: ignore[assignment, func-returns-value]
        provision(tenant)

    process = Process(make)
    assert schema_exists(db, "begun")
    answer = give_up(process, partial(lifecycle.cancel, Tenant.objects.get(pk=tenant.pk)))
    assert type(answer) is ProvisioningCancelled
    assert (left(), ready(db)) == (CANCELLED, 0)


def test_deleted_while_it_is_made() -> None:
    """Deleting it does the same: it is restored as what has failed, and purged without a trace."""
    tenant = begun("shard2")
    process = Process(
        lambda gate: provision(tenant, progress=partial(gate.progress, ("apply_success", "0001_initial")))
    )
    answer = give_up(process, partial(lifecycle.delete, Tenant.objects.get(pk=tenant.pk)))
    assert (type(answer), left()) == (ProvisioningCancelled, ("deleting", "", []))
    lifecycle.restore(tenant)
    assert left() == CANCELLED


@pytest.mark.parametrize("db", DATABASES)
def test_purged_while_it_is_made(db: str) -> None:
    """A process that finds no row any more leaves nothing either."""
    tenant = begun(db)

    def make(gate: Gate) -> None:
        provisioning.newest = lambda: gate.wait() or {}  # type: ignore[assignment, func-returns-value]
        provision(tenant)

    process = Process(make)
    mine = Tenant.objects.get(pk=tenant.pk)
    lifecycle.delete(mine)
    lifecycle.purge(mine)
    answer = process.go()
    assert (type(answer), str(answer)) == (
        ProvisioningCancelled,
        "Tenant 'begun' was given up while it was being made: it is gone now.",
    )
    assert not schema_exists(db, "begun")


def test_schema_that_was_there() -> None:
    """Where each migration is a transaction of its own, the schema is not dropped under one that runs: its tables would
    be made in whatever comes next on search_path.
    """
    tenant = begun("default")
    migrate_target(target_of(tenant.alias), [("crates", "0001_initial")], owner=str(tenant.pk))
    process = Process(
        lambda gate: provision(tenant, progress=partial(gate.progress, ("apply_start", "0002_first_crate")))
    )
    answer = give_up(process, partial(lifecycle.cancel, Tenant.objects.get(pk=tenant.pk)))
    assert (type(answer), left()) == (ProvisioningCancelled, CANCELLED)


def test_in_the_background() -> None:
    """Who works on it in a thread is waited for by who deletes it."""
    tenant = begun("default")

    def make(gate: Gate) -> None:
        def wait(using: Any, **kwargs: Any) -> None:
            if getattr(using, "schema", "") == "begun":
                gate.wait()

        post_migrate.connect(wait)
        lifecycle.provision_in_background(tenant)

        from threading import enumerate as threads

        for thread in threads():
            if thread.name == "provision begun":
                thread.join()

    process = Process(make)
    assert give_up(process, partial(lifecycle.delete, Tenant.objects.get(pk=tenant.pk))) is None
    assert left() == ("deleting", "", [])


def wait_at(tenant: Tenant, source: Tenant) -> None:
    """A hook of clones."""
    _gates[0].wait()


_gates: list[Gate] = []


def test_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone finds out at its end, leaves nothing by itself, and can be resumed as what it is."""
    monkeypatch.setattr(cancelling, "_PATIENCE_S", 0.0)
    source = Tenant.objects.create(name="Begun Source", db="default")

    def make(gate: Gate) -> None:
        _gates.append(gate)
        lifecycle.clone(source, "Begun", hook=wait_at)

    process = Process(make)
    answer = give_up(process, lambda: lifecycle.cancel(Tenant.objects.get(name="Begun")))
    assert (type(answer), left()) == (ProvisioningCancelled, CANCELLED)
    assert (Tenant.objects.get(name="Begun").work or {})["kind"] == "clone"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
@pytest.mark.parametrize("db", DATABASES)
def test_interrupted(db: str, number: int, code: int) -> None:
    """A process that is told to end, or interrupted, leaves a tenant that can be resumed, and no schema."""
    tenant = begun(db)
    process = Process(
        lambda gate: provision(tenant, progress=partial(gate.progress, ("apply_success", "0001_initial")))
    )
    assert (process.kill(number), *left()) == (code, "provisioning", "", [])
    lifecycle.resume_work(tenant)
    assert left() == ("active", "", ["begun"])


def test_before_it_was_begun() -> None:
    """What was enqueued is not begun then; who knows that it has failed may try again. The failure is told."""
    tenant = begun("default")
    told: list[Any] = []

    def hear(tenant: Tenant, error: Exception, **kwargs: Any) -> None:
        told.append((tenant.slug, type(error)))

    signals.tenant_provisioning_failed.connect(hear)
    try:
        lifecycle.cancel(Tenant.objects.get(pk=tenant.pk))
    finally:
        signals.tenant_provisioning_failed.disconnect(hear)
    assert told == [("begun", ProvisioningCancelled)]
    with pytest.raises(ProvisioningCancelled):
        provision(tenant)
    assert left() == CANCELLED
    provision(Tenant.objects.get(pk=tenant.pk))
    assert left() == ("active", "", ["begun"])


def test_what_is_served_is_not_cancelled() -> None:
    """Only a tenant that is provisioning can be."""
    tenant = Tenant.objects.create(name="Begun", db="default")
    with pytest.raises(IllegalTransition):
        lifecycle.cancel(tenant)
    assert left() == ("active", "", ["begun"])


def test_command() -> None:
    """`tenant cancel` gives up what is named or chosen, and says so; the process that makes it exits with 1."""
    process = Process(create_waiting)
    out = StringIO()
    answer = give_up(process, lambda: call_command("tenant", "cancel", "--all", stdout=out))
    assert (type(answer), str(answer)) == (
        CommandError,
        "Tenant 'begun' was given up while it was being made: it is failed now.",
    )
    assert (out.getvalue(), left()) == ("begun: failed\n", CANCELLED)


def create_waiting(gate: Gate) -> None:
    from tenancy.management.tenant import making

    making._counting = lambda advance: partial(gate.progress, ("apply_success", "0001_initial"))  # type: ignore[assignment]
    call_command("tenant", "create", "Begun", "--db", "default", stdout=StringIO(), stderr=StringIO())


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal() -> None:
    """`tenant create` shows how many migrations are done, on stderr; elsewhere nothing."""
    shown, quiet, out = Terminal(), StringIO(), StringIO()
    call_command("tenant", "create", "Begun", "--db", "default", stdout=out, stderr=shown)
    call_command("tenant", "create", "Begun Too", "--db", "default", stdout=StringIO(), stderr=quiet)
    assert "2/2" in shown.getvalue()
    assert (out.getvalue()[:22], quiet.getvalue()) == ("Tenant begun is active", "")


def test_reporting() -> None:
    """Whoever creates a tenant is told of its migrations."""
    told: list[str] = []

    def report(action: str, migration: Any = None, fake: bool = False) -> None:
        told.extend([f"{action} {migration}"] if migration else [])

    with reporting(report):
        Tenant.objects.create(name="Begun", db="default")
    assert told == [
        f"{action} crates.{name}"
        for name in ("0001_initial", "0002_first_crate")
        for action in ("apply_start", "apply_success")
    ]

"""The pool: what a tenant gets of it is what would have been made; nobody gets another's, and none is lost."""

import json
import os
from collections.abc import Callable, Iterator
from io import StringIO
from multiprocessing import get_context
from threading import enumerate as threads
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.models.signals import post_migrate

from django_schemas.inventory import inventory_of
from django_schemas.records import read_records
from django_schemas.replicas import _written, forget_writes
from django_schemas.schemas import Mark, drop_schema, mark_of, rename_schema, schema_exists
from tenancy import lifecycle, signals, tenant_context
from tenancy.checking import find_debris, find_trouble
from tenancy.events import TenantEvent
from tenancy.exceptions import AdoptionRefused, ProvisioningFailed
from tenancy.filling import fill, ready, strays, sweep
from tenancy.lifecycle.adoption import adopt_schema
from tenancy.models import PooledSchema, Tenant
from tenancy.standing import newest
from tests.apps.crates.models import Crate
from tests.faults import leave_inherited_connections
from tests.integration.tenancy.test_kill_matrix import small  # noqa: F401  # a fixture

SIGNALS = ("tenant_provisioning", "tenant_created", "tenant_status_changed", "tenant_provisioned")
"""What is sent of a new tenant; what provisions is the first receiver of tenant_created."""


def filled(db: str, size: int) -> list[str]:
    return [each.schema_name for each in fill(db, size)]


def call(*words: str) -> str:
    out = StringIO()
    call_command("tenant", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The signals that were sent, in order."""
    names: list[str] = []
    receivers = {}
    for name in SIGNALS:

        def hear(tenant: Tenant, name: str = name, **kwargs: Any) -> None:
            names.append(f"{name}: {tenant.status}")

        receivers[name] = hear
        getattr(signals, name).connect(hear)
    yield names
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def rows_of(tenant: Tenant) -> dict[str, list[Any]]:
    """All rows of a tenant, by table, but for the times at which migrations were recorded."""
    found = {}
    for name in inventory_of(connections[tenant.db], tenant.schema_name).tables:
        with connections[tenant.db].cursor() as cursor:
            cursor.execute(f'SELECT to_jsonb(t) - \'applied\' FROM "{tenant.schema_name}"."{name}" t ORDER BY 1')
            found[name] = cursor.fetchall()
    return found


@pytest.mark.django_db(databases="__all__")
def test_claimed_is_as_made(
    tenants: Any, heard: list[str], django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    """Structure, rows, records, mark, events and signals are those of a tenant whose schema was made for it."""
    with django_capture_on_commit_callbacks(execute=True):
        made = Tenant.objects.create(name="Made", db="default")
    signals_of_made = list(heard)
    heard.clear()
    (name,) = filled("default", 1)
    with django_capture_on_commit_callbacks(execute=True):
        claimed = Tenant.objects.create(name="Claimed", db="default")
    assert (schema_exists("default", name), PooledSchema.objects.count()) == (False, 0)
    assert heard == signals_of_made == [*(f"{name}: provisioning" for name in SIGNALS[:1]), *heard[1:]]
    assert (claimed.status, claimed.migrated_to) == (made.status, made.migrated_to) == ("active", newest())
    assert mark_of("default", "claimed") == Mark("tenant", str(claimed.pk))
    assert rows_of(claimed) == rows_of(made)
    records = read_records("default", ["claimed", "made"])
    assert records["claimed"] == records["made"] != frozenset()
    assert list(find_trouble([claimed])) == []
    logged = [
        [(event.kind, event.old, event.new) for event in TenantEvent.objects.filter(tenant_id=str(each.pk))]
        for each in (made, claimed)
    ]
    assert logged[0] == logged[1]
    with tenant_context(claimed):
        connection.check_constraints()


@pytest.fixture
def crates(schemas: Any, settings: Any) -> None:
    """Tenants live in an environment of few migrations."""
    databases = {alias: dict(options) for alias, options in settings.DATABASES.items()}
    for db in ("default", "shard2"):
        databases[db]["ENVIRONMENTS"] = [*databases[db]["ENVIRONMENTS"], "crates"]
    settings.DATABASES = databases
    settings.TENANCY = {**settings.TENANCY, "ENVIRONMENT": "crates"}


@pytest.mark.django_db(databases="__all__")
@pytest.mark.usefixtures("crates")
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
class TestWithin:
    """What is rolled back as a whole."""

    def test_rolled_back_claim_gives_the_schema_back(self) -> None:
        """Row and name are rolled back with the caller's transaction, and another tenant gets the schema."""
        (name,) = filled("default", 1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            phantom = Tenant.objects.create(name="Phantom", db="default")
            assert (phantom.status, schema_exists("default", name)) == ("active", False)
            1 / 0  # noqa: B018
        row = PooledSchema.objects.get()
        assert (row.schema_name, mark_of("default", name), ready("default")) == (name, row.mark, 1)
        assert not schema_exists("default", "phantom")
        Tenant.objects.create(name="Second", db="default")
        assert (ready("default"), mark_of("default", name)) == (0, None)

    def test_stale_one_is_not_claimed(self) -> None:
        """One that was made with other migrations is left alone, and dropped by `tenant pool`; what is ready stays."""
        stale, good = filled("default", 2)
        PooledSchema.objects.filter(schema_name=stale).update(state="of other code")
        assert ready("default") == 1
        for name in ("First", "Second"):
            Tenant.objects.create(name=name, db="default")
        assert (schema_exists("default", stale), schema_exists("default", good)) == (True, False)
        (fresh,) = filled("default", 1)
        assert sweep("default") == [stale]
        assert [row.schema_name for row in PooledSchema.objects.all()] == [fresh]

    def test_row_without_its_schema(self) -> None:
        """A row whose schema is gone, or is somebody else's, is deleted by whoever meets it, who takes the next."""
        gone, _, good = filled("default", 3)
        rows = list(PooledSchema.objects.all())
        drop_schema("default", gone)
        with connection.cursor() as cursor:
            cursor.execute(f"COMMENT ON SCHEMA \"{rows[1].schema_name}\" IS 'mine'")
        tenant = Tenant.objects.create(name="Lucky", db="default")
        assert (tenant.status, PooledSchema.objects.count(), schema_exists("default", good)) == ("active", 0, False)
        (gone,) = filled("default", 1)
        drop_schema("default", gone)
        assert (sweep("default"), PooledSchema.objects.count()) == ([], 0)

    def test_schema_without_its_row(self) -> None:
        """It is nobody's: `tenant check` tells of it, `tenant pool` drops it, and it can't be adopted."""
        lost, kept = filled("default", 2)
        assert list(find_debris()) == []
        PooledSchema.objects.filter(schema_name=lost).delete()
        found = [(each.placement.schema, each.finding.kind, each.finding.remedy) for each in find_debris()]
        assert found == [(lost, "pool", "manage.py tenant pool")]
        with pytest.raises(AdoptionRefused, match="belongs to another"):
            adopt_schema(Tenant(name="Thief", db="default", schema_name=lost))
        assert (strays("default"), sweep("default"), strays("default")) == ([lost], [lost], [])
        assert schema_exists("default", kept)

    def test_a_tenant_is_no_stray(self) -> None:
        """What is called as if it were of the pool, and is a tenant's, is not dropped."""
        Tenant.objects.create(name="Odd", schema_name=f"_pool_{'0' * 32}", db="default")
        assert sweep("default", everything=True) == []
        assert schema_exists("default", f"_pool_{'0' * 32}")

    def test_what_is_at_the_placement_stays(self) -> None:
        """A schema that is there already is not taken over by way of the pool, and the pool keeps its own."""
        filled("default", 1)
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA squatted")
        with pytest.raises(ProvisioningFailed, match="is there already"):
            Tenant.objects.create(name="Squatted", db="default")
        assert ready("default") == 1

    def test_resumed_where_it_was_cut_off(self, settings: Any) -> None:
        """A tenant that has its schema already goes on with that, and takes none."""
        settings.TENANCY = {**settings.TENANCY, "PROVISIONING": "manual"}
        (name,) = filled("default", 1)
        tenant = Tenant.objects.create(name="Cut Off", db="default")
        row = PooledSchema.objects.get()
        rename_schema("default", name, "cut-off")
        row.delete()
        with connection.cursor() as cursor:
            cursor.execute(f"COMMENT ON SCHEMA \"cut-off\" IS '{Mark('crates', str(tenant.pk))}'")
        filled("default", 1)
        lifecycle.resume_work(tenant)
        assert (Tenant.objects.get(slug="cut-off").status, ready("default")) == ("active", 1)

    def test_other_database_within_a_transaction(self) -> None:
        """Where the caller might roll back the schema and not its row, it is made as ever."""
        filled("shard2", 1)
        tenant = Tenant(name="Elsewhere", db="shard2")
        lifecycle_status = create_now(tenant)
        assert (lifecycle_status, ready("shard2")) == ("active", 1)

    @pytest.mark.parametrize("size", ["--size=2", ""])
    def test_command(self, settings: Any, size: str) -> None:
        """`tenant pool` fills every database, says what it did, and has nothing to do then; `--drop` empties it."""
        settings.TENANCY = {**settings.TENANCY, "POOL": 2}
        words = ["pool", *filter(None, [size])]
        report = {"ready": 2, "made": 2, "dropped": 0, "error": ""}
        assert json.loads(call(*words, "--json")) == [{"db": db, **report} for db in ("default", "shard2")]
        assert call(*words) == "default: 0 made, 0 dropped, 2 ready\nshard2: 0 made, 0 dropped, 2 ready\n"
        assert call("pool", "--drop") == "default: 0 made, 2 dropped, 0 ready\nshard2: 0 made, 2 dropped, 0 ready\n"
        assert PooledSchema.objects.count() == 0

    def test_one_database_fails(self) -> None:
        """The others are filled, and the exit code is 1."""

        def fail(using: Any, **kwargs: Any) -> None:
            if using == "default":
                raise RuntimeError("no luck")

        post_migrate.connect(fail)
        try:
            with pytest.raises(CommandError, match=r"Not done for default\."):
                call("pool", "--size", "1")
        finally:
            post_migrate.disconnect(fail)
        assert (ready("default"), ready("shard2"), strays("default")) == (0, 1, [])


def create_now(tenant: Tenant) -> str:
    """Create and provision a tenant of another database at once, inside the transactions of both."""
    from tenancy.provisioning import postponed, provision

    with postponed():
        tenant.save()
    provision(tenant)
    return tenant.status


@pytest.fixture
def clear(small: None) -> Iterator[None]:  # noqa: F811
    """Nothing is left of tenants and of pools."""
    yield
    for tenant in Tenant.objects.filter(name__startswith="Pooled"):
        lifecycle.delete(tenant)
        lifecycle.purge(tenant)
    for db in ("default", "shard2"):
        sweep(db, everything=True)


def until(holds: Callable[[], bool], limit_s: float = 10) -> None:
    deadline = monotonic() + limit_s
    while not holds():
        assert monotonic() < deadline, f"not within {limit_s} s"
        sleep(0.02)


def idle() -> bool:
    return not [each for each in threads() if each.name == "tenancy: pool"]


def in_process(function: Callable[[], Any], start: Any, answers: Any) -> None:
    leave_inherited_connections()
    start.wait()
    try:
        answers.put(function())
    except Exception as error:
        answers.put(f"{type(error).__name__}: {error}")
    answers.close()
    answers.join_thread()
    os._exit(0)


def at_once(functions: list[Callable[[], Any]]) -> list[Any]:
    """Call functions, each in a process of its own, all at the same time."""
    context = get_context("fork")
    start, answers = context.Barrier(len(functions)), context.Queue()
    processes = [context.Process(target=in_process, args=(function, start, answers)) for function in functions]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in functions]
    for process in processes:
        process.join()
    return found


@pytest.mark.usefixtures("committed", "clear")
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
class TestCommitted:
    @pytest.mark.parametrize("db", ["default", "shard2"])
    def test_twenty_at_once(self, db: str) -> None:
        """Twenty processes that create tenants at once get twenty different schemas, and the pool is empty."""
        oids = {schema: oid(db, schema) for schema in filled(db, 20)}

        def sign_up(number: int) -> str:
            tenant = Tenant.objects.create(name=f"Pooled {number}", db=db)
            return tenant.status

        outcomes = at_once([lambda number=number: sign_up(number) for number in range(20)])  # type: ignore[misc]
        made = Tenant.objects.filter(name__startswith="Pooled")
        assert outcomes == ["active"] * 20
        assert sorted(oid(db, tenant.schema_name) for tenant in made) == sorted(oids.values())
        assert (PooledSchema.objects.count(), strays(db)) == (0, [])
        for tenant in made:
            assert [crate.label for crate in Crate.set_db(db, tenant.schema_name).objects.all()] == ["first"]

    def test_more_than_there_are(self) -> None:
        """Who finds none ready makes their own."""
        filled("default", 2)
        outcomes = at_once(
            [lambda n=n: Tenant.objects.create(name=f"Pooled {n}", db="default").status for n in range(6)]  # type: ignore[misc]
        )
        assert (outcomes, ready("default")) == (["active"] * 6, 0)

    def test_filled_by_several(self) -> None:
        """Processes that fill a pool at once make what is missing, and no more."""
        outcomes = at_once([lambda: len(filled("shard2", 5))] * 4)
        assert (sum(outcomes), ready("shard2"), strays("shard2")) == (5, 5, [])

    @pytest.mark.parametrize("db", ["default", "shard2"])
    def test_refilled_after_the_commit(self, settings: Any, db: str) -> None:
        """What was claimed is made again behind the caller's back, once that has committed."""
        settings.TENANCY = {**settings.TENANCY, "POOL": 2}
        filled(db, 2)
        with transaction.atomic():
            Tenant.objects.create(name="Pooled One", db=db)
            assert idle()
        Tenant.objects.create(name="Pooled Two", db=db)
        until(lambda: idle() and ready(db) == 2)
        assert strays(db) == []

    def test_refill_that_fails_is_logged(self, settings: Any, caplog: Any) -> None:
        """Nothing else comes of it: the tenant is active, the thread is over, and the next one tries again."""
        settings.TENANCY = {**settings.TENANCY, "POOL": 1}

        def fail(using: Any, **kwargs: Any) -> None:
            if getattr(using, "schema", "").startswith("_pool_"):
                raise RuntimeError("no luck")

        filled("default", 1)
        post_migrate.connect(fail)
        try:
            assert Tenant.objects.create(name="Pooled One", db="default").status == "active"
            until(idle)
        finally:
            post_migrate.disconnect(fail)
        assert [record.getMessage() for record in caplog.records if record.name == "tenancy.pool"] == [
            "The pool of database 'default' could not be filled up again."
        ]
        assert (ready("default"), strays("default")) == (0, [])

    def test_process_ends_with_its_thread(self, settings: Any) -> None:
        """A thread that waits for another process's turn does not keep its own from ending."""
        settings.TENANCY = {**settings.TENANCY, "POOL": 1}
        assert list(fill("default", 1, lambda: False)) == []

    def test_reads_go_to_the_primary(self, settings: Any) -> None:
        """A replica has not heard of the schema yet."""
        filled("shard2", 1)
        settings.DATABASES = {**settings.DATABASES, "shard2-read1": settings.DATABASES["shard2"]}
        forget_writes()
        Tenant.objects.create(name="Pooled One", db="shard2")
        assert "shard2" in _written.get()

    def test_clone_takes_none(self) -> None:
        """What is filled from elsewhere is made at the state of that."""
        source = Tenant.objects.create(name="Pooled Source", db="default")
        filled("default", 1)
        clone = lifecycle.clone(source, "Pooled Clone")
        assert (clone.status, clone.migrated_to, ready("default")) == ("active", source.migrated_to, 1)

    def test_claimed_in_the_background(self) -> None:
        """A tenant that somebody watches takes one too, and has no work then."""
        from tenancy.provisioning import postponed

        filled("default", 1)
        with postponed():
            tenant = Tenant.objects.create(name="Pooled Watched", db="default")
        lifecycle.provision_in_background(tenant)
        until(lambda: Tenant.objects.get(pk=tenant.pk).status == "active" and not watched(tenant))
        assert ready("default") == 0


def watched(tenant: Tenant) -> bool:
    return Tenant.objects.get(pk=tenant.pk).work is not None


def oid(db: str, schema: str) -> int:
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_namespace WHERE nspname = %s", [schema])
        (found,) = cursor.fetchone()
        return int(found)

"""Tenants on the nodes of a cluster: which is where, taking one to another while it is served, emptying a node."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from django_schemas.nodes import Node, homes_on, nodes_of
from tenancy import lifecycle, tenant_context
from tenancy.databases import databases
from tenancy.exceptions import MoveFailed, MoveRefused
from tenancy.filling import fill, sweep
from tenancy.lifecycle import node_move
from tenancy.lifecycle.node_move import move_to_node
from tenancy.models import PooledSchema, Tenant, TenantEvent
from tenancy.node_draining import drain_node
from tests.apps.garage.models import Car, Owner
from tests.faults import leave_inherited_connections
from tests.integration.django_schemas.test_migrator import in_thread
from tests.integration.tenancy.test_move import contents, leave

from . import cluster
from .cluster import CITUS_URL

Run = Any
Settle = Callable[..., Tenant]


@pytest.fixture
def settle(committed: None) -> Iterator[Settle]:
    """Makes tenants, which are dropped behind the test, wherever they are then."""
    made: list[Tenant] = []

    def settle_in(name: str, db: str = "default") -> Tenant:
        tenant = Tenant.objects.create(name=name, db=db)
        made.append(tenant)
        with tenant_context(tenant):
            owner = Owner.objects.create(name="Ada", witness=tenant.slug)
            Car.objects.create(name="Beetle", owner=owner, witness=tenant.slug)
        return tenant

    yield settle_in
    connections.close_all()
    # Citus does so by itself, a little later: the databases could not be dropped before.
    with connections["default"].cursor() as cursor:
        cursor.execute("CALL citus_cleanup_orphaned_resources()")
    for tenant in made:
        tenant.refresh_from_db()
        leave(tenant)


@pytest.fixture
def workers(committed: None) -> list[str]:
    """The addresses of two workers."""
    return [node.address for node in nodes_of("default") if node.takes_schemas][:2]


@pytest.fixture
def closed(workers: list[str], run: Run) -> Iterator[Callable[[str], None]]:
    """Has a node take no more schemas, until the test ends."""

    def close(address: str) -> None:
        run("default", Node(address, True).set_sql(False))

    yield close
    for address in workers:
        run("default", Node(address, False).set_sql(True))


def home(tenant: Tenant) -> str:
    return homes_on(tenant.db, [tenant.schema_name])[tenant.schema_name]


def away(tenant: Tenant, workers: list[str]) -> str:
    """The worker that a tenant is not on."""
    (other,) = {*workers} - {home(tenant)}
    return other


def tenant_command(*words: str) -> str:
    out = StringIO()
    call_command("tenant", *words, stdout=out, stderr=out)
    return out.getvalue()


@contextmanager
def writing(tenant: Tenant) -> Iterator[None]:
    """A transaction that has written to a tenant, and stays open for the block."""
    connection = connections["default"].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE \"{tenant.schema_name}\".garage_owner SET name = 'Eve'")
        yield
    finally:
        connection.close()


def moving(pk: Any, node: str) -> None:
    """What a process does that is cut off."""
    leave_inherited_connections()
    move_to_node(Tenant.objects.get(pk=pk), node)


def moves_on_server(run: Run) -> int:
    """How many sessions move a schema just now."""
    ((number,),) = run(
        "default",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND query LIKE 'SELECT citus_schema_move%' AND pid <> pg_backend_pid()",
    )
    return int(number)


def wait_for(reached: Callable[[], bool], limit_s: float = 15) -> None:
    deadline = monotonic() + limit_s
    while not reached():
        assert monotonic() < deadline
        sleep(0.02)


def test_moved_while_it_is_served(settle: Settle, workers: list[str]) -> None:
    """No write fails, none is lost, and numbers go on; the log tells of it; said again, it is refused."""
    acme = settle("Acme nodes")
    old, new = home(acme), away(acme, workers)
    done, written = Event(), []

    def write() -> None:
        with tenant_context(acme):
            while not done.is_set():
                written.append(Owner.objects.create(name="w", witness=acme.slug).pk)
        connections.close_all()

    thread = Thread(target=write)
    thread.start()
    try:
        told = tenant_command("move", acme.slug, "--to-node", new)
    finally:
        done.set()
        thread.join()
    assert f"moved from {old} to {new}" in told
    assert home(acme) == new
    with tenant_context(acme):
        assert set(Owner.objects.filter(name="w").values_list("pk", flat=True)) == set(written)
        assert Owner.objects.create(name="last").pk == max(written) + 1
    event = TenantEvent.objects.filter(tenant_id=str(acme.pk)).latest("pk")
    assert (event.kind, event.old, event.new) == ("moved to node", old, new)
    acme.refresh_from_db()
    assert (acme.status, acme.work, acme.db) == ("active", None, "default")
    with pytest.raises(MoveRefused, match="it is there"):
        move_to_node(acme, new)


def test_refused(settle: Settle, workers: list[str], run: Run) -> None:
    """What can't be is refused with what there is, or what to say, and nothing is done."""
    acme, plain = settle("Acme nodes"), settle("Plain nodes", "shard2")
    old, new = home(acme), away(acme, workers)
    coordinator = nodes_of("default")[0].address
    host, port = coordinator.rsplit(":", 1)
    with pytest.raises(MoveRefused, match=f"no such node; these are: {coordinator}, {workers[0]}, {workers[1]}"):
        move_to_node(acme, "10.9.9.9:1")
    with pytest.raises(MoveRefused, match=rf"citus_set_node_property\('{host}', {port}, 'shouldhaveshards', true\)"):
        move_to_node(acme, coordinator)
    with pytest.raises(MoveRefused, match="not of Citus"):
        move_to_node(plain, new)
    with transaction.atomic(using="default"), pytest.raises(MoveRefused, match="outside of"):
        move_to_node(acme, new)
    run("default", f'CREATE TABLE "{acme.schema_name}".bare (id int)')
    with pytest.raises(MoveRefused, match=r"bare of it have neither.*'auto'.*shard_transfer_mode := 'block_writes'"):
        move_to_node(acme, new)
    assert home(acme) == old
    run("default", f'ALTER TABLE "{acme.schema_name}".bare REPLICA IDENTITY FULL')
    assert move_to_node(acme, new).new == new
    for words in (["--to", "shard2", "--to-node", old], ["--to-node", old, "--abort"], []):
        with pytest.raises(CommandError, match="Say where"):
            tenant_command("move", acme.slug, *words)


def test_who_writes_for_too_long(settle: Settle, workers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up in time, says so, and leaves the tenant served where it was; said again, it goes on."""
    acme = settle("Acme nodes")
    old, new = home(acme), away(acme, workers)
    monkeypatch.setattr(node_move, "_PATIENCE_S", 2.0)
    told = f"is served from {old} as before: .*timeout.* end old transactions"
    with writing(acme), pytest.raises(MoveFailed, match=told):
        move_to_node(acme, new)
    assert home(acme) == old
    monkeypatch.undo()
    assert move_to_node(acme, new).new == new


def test_who_comes_between(settle: Settle, workers: list[str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes on once the rows are copied is waited for briefly: so long wait all who come later, and no longer."""
    acme = settle("Acme nodes")
    old, new = home(acme), away(acme, workers)
    name = f'"{acme.schema_name}".garage_owner'
    run("default", f"INSERT INTO {name} (name, witness) SELECT 'x', '' FROM generate_series(1, 100000)")
    monkeypatch.setattr(node_move, "_LOCK_S", 2)
    with ThreadPoolExecutor(1) as pool:
        moving = in_thread(pool, lambda: move_to_node(Tenant.objects.get(pk=acme.pk), new))
        worker = f"{CITUS_URL.rsplit('@')[0]}@{new}/{connections['default'].settings_dict['NAME']}"
        with closing(psycopg2.connect(worker)) as connection, connection.cursor() as cursor:
            connection.autocommit = True

            def copied() -> bool:
                cursor.execute("SELECT count(*) FROM pg_subscription")
                return cursor.fetchone() != (0,)

            wait_for(copied, 60)
        longest_s = 0.0
        with writing(acme):
            while not moving.done():
                begun_s = monotonic()
                run("default", f"INSERT INTO {name} (name, witness) VALUES ('y', '')")
                longest_s = max(longest_s, monotonic() - begun_s)
                sleep(0.1)
    with pytest.raises(MoveFailed, match="lock timeout"):
        moving.result()
    assert 0.5 < longest_s < 4
    assert home(acme) == old


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_cut_off(settle: Settle, workers: list[str], run: Run, how: signal.Signals) -> None:
    """A process that is ended midway leaves nothing that goes on; said again, it does."""
    acme = settle("Acme nodes")
    old, new = home(acme), away(acme, workers)
    before = contents(acme)
    with writing(acme):
        process = multiprocessing.get_context("fork").Process(target=moving, args=(acme.pk, new))
        process.start()
        wait_for(lambda: moves_on_server(run) == 1)
        os.kill(process.pid or 0, how)
        process.join(10)
        assert process.exitcode
        wait_for(lambda: moves_on_server(run) == 0)
    assert home(acme) == old
    assert move_to_node(acme, new).new == new
    assert contents(acme) == before


def test_nobody_tells(settle: Settle, workers: list[str], run: Run) -> None:
    """If the coordinator is gone midway, it says that it can't know; said again, it goes on."""
    acme = settle("Acme nodes")
    old, new = home(acme), away(acme, workers)
    name = connections["default"].settings_dict["NAME"]
    with ThreadPoolExecutor(1) as pool, writing(acme):
        moving = in_thread(pool, lambda: move_to_node(Tenant.objects.get(pk=acme.pk), new))
        wait_for(lambda: moves_on_server(run) == 1)
        cluster.asked(CITUS_URL, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            run(
                "default",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND query LIKE 'SELECT citus_schema_move%' AND pid <> pg_backend_pid()",
            )
            wait([moving], 15)
        finally:
            cluster.asked(CITUS_URL, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    error = moving.exception()
    assert isinstance(error, MoveFailed)
    assert "does not answer: " in str(error)
    assert "say it again" in str(error)
    assert home(acme) == old
    assert move_to_node(acme, new).new == new


def test_a_node_that_does_not_answer(settle: Settle, workers: list[str], run: Run) -> None:
    """Tenants of the others are told of as ever, and which one it is; a move says what is wrong."""
    acme = settle("Acme nodes")
    globex = settle("Globex nodes")
    if home(globex) == home(acme):
        move_to_node(globex, away(acme, workers))
    name = connections["default"].settings_dict["NAME"]
    worker = f"{CITUS_URL.rsplit('@')[0]}@{home(globex)}/postgres"
    here = "SET citus.enable_ddl_propagation TO off"
    cluster.asked(worker, f"{here}; ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        cluster.asked(worker, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
        connections.close_all()
        assert home(acme) in tenant_command("show", acme.slug)
        (found,) = [each for each in databases() if each.alias == "default"]
        assert [node.address for node in found.nodes if node.size is None] == [home(globex)]
        (shown,) = json.loads(tenant_command("show", globex.slug, "--json"))
        assert (shown["node"], shown["size"], shown["behind"]) == (home(globex), None, None)
        for tenant in (acme, globex):
            with pytest.raises(MoveFailed, match="could not be moved"):
                move_to_node(tenant, away(tenant, workers))
    finally:
        cluster.asked(worker, f"{here}; ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert move_to_node(globex, home(acme)).new == home(acme)


def test_told_of(settle: Settle, workers: list[str], django_assert_num_queries: Any) -> None:
    """`show` and `list --long` name the node of those that have one, by one statement for all."""
    acme, globex, plain = settle("Acme nodes"), settle("Globex nodes"), settle("Plain nodes", "shard2")
    found = json.loads(tenant_command("list", acme.slug, globex.slug, plain.slug, "--long", "--json"))
    assert [each.get("node", "none") for each in found] == [home(acme), home(globex), "none"]
    assert home(acme) in tenant_command("show", acme.slug)
    table = tenant_command("list", acme.slug, plain.slug, "--long").splitlines()
    assert table[0].endswith("NODE")
    assert table[1].endswith(home(acme))
    (found,) = [each for each in databases() if each.alias == "default"]
    assert [node.address for node in found.nodes] == [node.address for node in nodes_of("default")]
    assert sum(node.tenants or 0 for node in found.nodes) == Tenant.objects.filter(db="default").count()
    assert all(node.size for node in found.nodes)
    assert workers[0] in tenant_command("databases")
    with django_assert_num_queries(1, connection=connections["default"]):
        homes_on("default", [acme.schema_name, globex.schema_name])


@pytest.mark.parametrize("processes", [1, 2])
def test_drained(settle: Settle, workers: list[str], closed: Any, processes: int) -> None:
    """All tenants leave a node that takes no more; what can't be moved is told of, and gone on with."""
    tenants = [settle(f"Drained {each}") for each in range(4)]
    node, other = workers
    for tenant in tenants[:3]:
        if home(tenant) != node:
            move_to_node(tenant, node)
    with pytest.raises(MoveRefused, match="'shouldhaveshards', false"):
        drain_node(node, "default")
    closed(node)
    told = tenant_command("drain", "--node", node, "--dry-run")
    assert f"{tenants[0].slug}: could go to {other}" in told
    outcomes = {tenant.slug: outcome for tenant, outcome in drain_node(node, "default", processes)}
    assert {each.state for each in outcomes.values()} == {"moved"}, "\n".join(each.error for each in outcomes.values())
    assert {home(tenant) for tenant in tenants} == {other}
    assert home(settle("Later nodes")) == other
    assert f"No tenant is on {node}" in tenant_command("drain", "--node", node, "--db", "default")


def test_ready_schemas(settle: Settle, workers: list[str], closed: Any, settings: Any) -> None:
    """Those of the pool leave a node that is emptied: a new tenant gets none that is there."""
    node, other = workers
    settings.TENANCY = {**settings.TENANCY, "POOL": 2}
    try:
        list(fill("default", 2))
        assert node in [homes_on("default")[each.schema_name] for each in PooledSchema.objects.all()]
        closed(node)
        assert [outcome for _, outcome in drain_node(node, "default") if outcome.error] == []
        wait_for(lambda: PooledSchema.objects.count() == 2)
        assert {homes_on("default")[each.schema_name] for each in PooledSchema.objects.all()} == {other}
    finally:
        settings.TENANCY = {**settings.TENANCY, "POOL": 0}
        sweep("default", everything=True)


@pytest.mark.parametrize(
    "words", [["--node", "10.9.9.9:1"], ["--node", "x:1", "--db", "shard2"], [], ["--node", "x:1", "--to", "shard2"]]
)
def test_draining_is_refused(committed: None, words: list[str]) -> None:
    """Where there is no such node, or it is no database of Citus's, or nothing is named."""
    with pytest.raises(CommandError, match=r"no node|is none|Say what|goes with"):
        tenant_command("drain", *words)


def test_between_plain_and_citus(settle: Settle, tmp_path: Path) -> None:
    """A tenant is moved, and exported and imported, both ways; rows, and the numbers they go on from, are the same."""
    acme = settle("Wanderer", "shard2")
    before = contents(acme)
    for db in ("default", "shard2"):
        lifecycle.move(acme, db, drop_source=True)
        assert acme.db == db
        assert contents(acme) == before
        lifecycle.export(acme, tmp_path / f"{db}.zip")
    for source, target in (("default", "shard2"), ("shard2", "default")):
        copy = lifecycle.import_(tmp_path / f"{source}.zip", name=f"Copy to {target}", db=target)
        try:
            assert contents(copy) == before
            with tenant_context(copy):
                assert Owner.objects.create(name="next").pk == 2
        finally:
            leave(copy)

"""Emptying a database, and evening several out, under traffic: nothing is lost, and what was cut off goes on."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from django_schemas import workers
from django_schemas.apart import connect
from django_schemas.exceptions import ConfigError
from django_schemas.schemas import schema_exists
from tenancy import lifecycle, rebalancing, tenant_context
from tenancy.draining import drain, look, tenants_to_drain
from tenancy.exceptions import MoveRefused
from tenancy.models import Tenant
from tenancy.relocating import Relocated
from tests.apps.garage.models import Owner
from tests.faults import Fault, run

from .shards import Apart, apart, shards
from .traffic import Traffic, traffic_in_all

pytestmark = [
    pytest.mark.usefixtures("committed"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

RENAMED = Fault("kill", '" RENAME TO "_moved_', behind=2)
"""Behind the first rename of an old schema, where nobody can write to it any more and the registry does not know."""

Settle = Callable[..., list[Tenant]]


@pytest.fixture
def weigh(settings: Any) -> Callable[..., None]:
    """Sets what databases weigh; those that are not named are not in `DATABASES`."""

    def set_weights(**weights: float) -> None:
        settings.TENANCY = {**settings.TENANCY, "DATABASES": weights, "CACHE_TTL_S": 0.5}

    return set_weights


@pytest.fixture
def settle(committed: None) -> Iterator[Settle]:
    """Makes tenants with a few rows, which are dropped behind the test, wherever they are then."""
    made: list[Tenant] = []

    def settle_in(db: str, number: int, rows: int = 3) -> list[Tenant]:
        new = [Tenant.objects.create(name=f"{db} {len(made) + each:02}", db=db) for each in range(number)]
        for tenant in new:
            with tenant_context(tenant):
                Owner.objects.bulk_create(Owner(name=f"r{each}", witness=tenant.slug) for each in range(rows))
        made.extend(new)
        return new

    yield settle_in
    connections.close_all()
    for tenant in made:
        tenant.refresh_from_db()
        if tenant.work and tenant.work["kind"] == "move":
            lifecycle.resume_work(tenant)
        lifecycle.drop_leftovers(tenant)
        if tenant.status != "deleting":
            lifecycle.delete(tenant)
        lifecycle.purge(tenant)


@pytest.fixture(scope="module")
def three_and_four(schemas: Any, django_db_blocker: Any) -> Iterator[None]:
    """Databases shard3 and shard4; processes are copies of this one, since others would not know of these."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), shards("shard3", "shard4"):
        patch.setattr(workers, "threading", SimpleNamespace(active_count=lambda: 1))
        yield


@pytest.fixture
def far(three_and_four: None, committed: None) -> Iterator[Apart]:
    """A database `far` on a server of its own."""
    with apart("far") as found:
        yield found


def where(tenants: list[Tenant], among: Sequence[str] = ("default", "shard3", "shard4")) -> dict[str, int]:
    """How many are in which database, as the registry has it; each is served, and is there alone."""
    for tenant in tenants:
        tenant.refresh_from_db()
        assert (tenant.status, tenant.work) == ("active", None)
        assert [db for db in among if schema_exists(db, tenant.schema_name)] == [tenant.db]
    return dict(Counter(tenant.db for tenant in tenants))


def states(run_: Any) -> dict[str, tuple[str, str]]:
    """What became of each tenant, and where it was to go."""
    return {tenant.slug: (outcome.state, outcome.new) for tenant, outcome in run_}


def check_nothing_lost(tenants: list[Tenant], seen: dict[str, Traffic], rows: int = 3) -> int:
    """What was written is where the tenants are; how many rows were acknowledged."""
    for tenant in tenants:
        assert seen[tenant.slug].lost(tenant) == set()
        with tenant_context(tenant):
            assert Owner.objects.filter(witness=tenant.slug).count() == rows
    return sum(len(each.acknowledged()) for each in seen.values())


def end_session(db: str) -> None:
    """End this process's session in a database, as an idle one may be."""
    with connections[db].cursor() as cursor, closing(connect(db)) as another, another.cursor() as ending:
        cursor.execute("SELECT pg_backend_pid()")
        ending.execute("SELECT pg_terminate_backend(%s, 5000)", cursor.fetchone())


def test_drain(three_and_four: None, weigh: Any, settle: Settle, tmp_path: Path) -> None:
    """All go where the strategy says, in two processes, while others write, though the session of the first one, which
    had nothing to say for a while, is ended; and once more there is nothing to do.
    """
    weigh(shard4=1, default=1, shard3=0)
    tenants = settle("shard3", 3)
    with traffic_in_all(tenants, tmp_path, 1) as seen:
        running = drain("shard3", processes=2)
        found = [next(running)[1]]
        end_session("default")
        found += [outcome for _, outcome in running]
        seen[tenants[-1].slug].wait(2)
    assert [each.error for each in found] == [""] * 3
    assert all(each.rows and each.gap_s and each.old == "shard3" for each in found)
    assert set(where(tenants)) <= {"default", "shard4"}
    check_nothing_lost(tenants, seen)
    assert list(drain("shard3")) == []


def test_targets_are_chosen_one_by_one(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """Each goes where the strategy says once the one before is there."""
    weigh(shard3=0, shard4=2, default=1)
    tenants = settle("shard3", 3)
    taken = Tenant.objects.filter(db="default").count()
    expected = 3 if taken else 2
    list(drain("shard3"))
    assert where(tenants)["shard4"] == expected


def test_killed_and_gone_on_with(three_and_four: None, weigh: Any, settle: Settle, tmp_path: Path) -> None:
    """A drainer is killed where its first tenant is nowhere but in the copy, and so is the next, whose second tenant it
    is; the same call goes on, and nothing is lost.
    """
    weigh(shard4=1, shard3=0)
    tenants = settle("shard3", 3)
    with traffic_in_all(tenants, tmp_path, 1) as seen:
        for _ in range(2):
            assert run(lambda: [*drain("shard3")], RENAMED, timeout_s=120).killed
        connections.close_all()
        assert set(states(drain("shard3")).values()) == {("moved", "shard4")}
    assert where(tenants) == {"shard4": 3}
    check_nothing_lost(tenants, seen)


def test_what_can_not_be_moved(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """A tenant that can't be moved is told of with the reason, and the rest is moved; it is told of each time."""
    weigh(shard4=1, shard3=0)
    tied, gone, other = settle("shard3", 3)
    lifecycle.delete(gone)
    with connections["shard4"].cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA "{tied.schema_name}"')
    for expected in ({tied.slug, gone.slug, other.slug}, {tied.slug, gone.slug}):
        found = {tenant.slug: outcome for tenant, outcome in drain("shard3")}
        assert set(found) == expected
        assert f"there is a schema shard4.{tied.schema_name} already" in found[tied.slug].error
        assert "is deleting and can't become moving" in found[gone.slug].error
    other.refresh_from_db()
    assert other.db == "shard4"
    looked = {tenant.slug: each for tenant, each in look("shard3")}
    assert set(looked) == {tied.slug, gone.slug}
    assert "already" in str(looked[tied.slug])
    with connections["shard4"].cursor() as cursor:
        cursor.execute(f'DROP SCHEMA "{tied.schema_name}"')


def test_who_comes_meanwhile(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """A tenant that is made there while it is emptied is moved too, and so is one whose move there was cut off."""
    weigh(shard4=1, shard3=0)
    tenants = settle("shard3", 1)
    (coming,) = settle("shard4", 1)
    assert run(lambda: lifecycle.move(coming, "shard3"), Fault("kill", "LOCK TABLE")).killed
    connections.close_all()
    running = drain("shard3")
    found = [next(running)]
    tenants += settle("shard3", 1)
    found += running
    assert {tenant.slug for tenant, _ in found} == {coming.slug, *(tenant.slug for tenant in tenants)}
    assert where([*tenants, coming]) == {"shard4": 3}


def test_who_goes_meanwhile(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """A tenant that is purged while others are moved is nobody's to move; one that is renamed is."""
    weigh(shard4=1, shard3=0)
    tenants = settle("shard3", 1)
    going = Tenant.objects.create(name="shard3 going", db="shard3")
    tenants += settle("shard3", 1)
    running = drain("shard3")
    first = next(running)[0]
    assert first == tenants[0]
    lifecycle.delete(going)
    lifecycle.purge(going)
    lifecycle.rename(tenants[1], "another-name")
    assert [(tenant, outcome.error) for tenant, outcome in running] == [(tenants[1], "")]
    assert where(tenants) == {"shard4": 2}


def test_refused(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """A database that new tenants may be placed in is not emptied, nor is one for which there is no other."""
    weigh(shard3=1, shard4=1)
    settle("shard3", 1)
    with pytest.raises(MoveRefused, match=r"give it the weight 0 in .* \{'shard3': 0, 'shard4': 1\}, have all proc"):
        drain("shard3")
    weigh(shard3=0, default=0, shard4=0)
    with pytest.raises(MoveRefused, match="no database but 'shard3'"):
        drain("shard3")
    for db, to in (("shard3", "default-read1"), ("nowhere", None), ("shard3", "shard3")):
        with pytest.raises(MoveRefused):
            drain(db, to)
    assert tenants_to_drain("shard3").count() == 1


def test_target_dies(far: Apart, weigh: Any, settle: Settle) -> None:
    """If the target dies, its move ends, and those behind it are not begun; all are served where they are, and once it
    is back the same call ends it.
    """
    weigh(shard3=0, far=1)
    tenants = settle("shard3", 3)
    running = drain("shard3")
    assert next(running)[1].state == "moved"
    far.die()
    begun = perf_counter()
    assert sorted(each.state for _, each in running) == ["failed", "left"]
    assert perf_counter() - begun < 10
    assert where(tenants[1:], ("shard3",)) == {"shard3": 2}
    with pytest.raises(MoveRefused, match="'far' does not answer"):
        drain("shard3", to="far")
    far.start()
    connections["far"].close()
    assert {each.state for _, each in drain("shard3")} == {"moved"}
    assert where(tenants, ("shard3", "far")) == {"far": 3}


def test_source_is_away(far: Apart, weigh: Any, settle: Settle) -> None:
    """Nothing can be moved off a database that hangs, nor evened out with it; that is told soon. Others go on: one that
    may be moved to is passed over.
    """
    weigh(far=0, shard3=0, shard4=1)
    (tenant,) = settle("shard3", 1)
    with far.hang():
        begun = perf_counter()
        with pytest.raises(MoveRefused, match="'far' does not answer"):
            drain("far")
        weigh(far=1000, shard3=0, shard4=1)
        with pytest.raises(MoveRefused, match="'far' does not answer, so nobody knows what it bears"):
            rebalancing.plan()
        assert states(drain("shard3")) == {tenant.slug: ("moved", "shard4")}
        assert perf_counter() - begun < 15
    connections["far"].close()


def weight_in_gold(tenant: Tenant) -> float:
    return float(tenant.settings.get("gold", 0))


def test_rebalance(three_and_four: None, weigh: Any, settle: Settle, tmp_path: Path) -> None:
    """By tenants, under traffic: what is planned is what comes of it, and then there is nothing to do."""
    weigh(shard3=1, shard4=2)
    tenants = settle("shard3", 3)
    planned = rebalancing.plan("tenants")
    assert [(each.db, each.tenants, each.tenants_then) for each in planned.databases] == [
        ("shard3", 3, 1),
        ("shard4", 0, 2),
    ]
    with traffic_in_all(tenants, tmp_path, 1) as seen:
        assert {each.state for _, each in rebalancing.apply(planned, processes=2)} == {"moved"}
    assert where(tenants) == {"shard3": 1, "shard4": 2}
    check_nothing_lost(tenants, seen)
    assert rebalancing.plan("tenants").moves == ()


def test_by_what(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """By whatever it is, the large one and the small ones are kept apart; and then every plan is empty."""
    weigh(shard3=1, shard4=1)
    (large,) = settle("shard3", 1, rows=20_000)
    small = settle("shard3", 2, rows=9_500)
    for tenant, gold in zip((large, *small), (20, 9, 9), strict=True):
        Tenant.objects.filter(pk=tenant.pk).update(settings={"gold": gold})
    with connections["shard3"].cursor() as cursor:
        # Else it counts new rows whenever their session tells of them.
        cursor.execute("ANALYZE")
    bys = ("size", "rows", weight_in_gold, f"{__name__}.weight_in_gold")
    apart_ = [{large.slug}, {tenant.slug for tenant in small}]
    plans = [rebalancing.plan(by) for by in bys]
    assert all({each.slug for each in planned.moves} in apart_ for planned in plans)
    assert {each.state for _, each in rebalancing.apply(plans[0])} == {"moved"}
    assert where([large]) != where(small)
    assert [rebalancing.plan(by).moves for by in bys] == [()] * 4


def nonsense(tenant: Tenant) -> Any:
    return "much"


def too_much(tenant: Tenant) -> Any:
    return 10**400


def unable(tenant: Tenant) -> Any:
    return 1 / 0


def test_odd_plans(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """What is no load, or no database that takes part, is told before anything is done."""
    weigh(shard3=1, shard4=0)
    settle("shard3", 1)
    for by in ("tests.nowhere", "nonsense", nonsense, too_much, unable, f"{__name__}.Path.sep"):
        with pytest.raises(ConfigError):
            rebalancing.plan(by)
    with pytest.raises(ConfigError, match="'shard4' is none of"):
        rebalancing.plan(databases=["shard4"])
    weigh(shard3=0, shard4=0)
    with pytest.raises(ConfigError, match="all of them weigh 0"):
        rebalancing.plan()


def test_a_plan_that_was_cut_off(three_and_four: None, weigh: Any, settle: Settle) -> None:
    """What was begun comes first in the next plan, which goes on, and is not planned anew; the limit holds for all."""
    weigh(shard3=1, shard4=1)
    tenants = settle("shard3", 4)
    assert run(lambda: [*rebalancing.apply(rebalancing.plan("tenants"))], RENAMED, timeout_s=60).killed
    connections.close_all()
    (begun,) = [tenant for tenant in Tenant.objects.filter(pk__in=[each.pk for each in tenants]) if tenant.work]
    planned = rebalancing.plan("tenants")
    assert (planned.moves[0].slug, len(planned.moves)) == (begun.slug, 2)
    assert rebalancing.plan("tenants", limit=1).moves == planned.moves[:1]
    weigh(shard3=1000, shard4=1)
    assert rebalancing.plan("tenants").moves == planned.moves[:1]
    weigh(shard3=1, shard4=1)
    assert {each.state for _, each in rebalancing.apply(planned)} == {"moved"}
    assert where(tenants) == {"shard3": 2, "shard4": 2}
    assert rebalancing.plan("tenants").moves == ()


@pytest.mark.long
def test_fifty_tenants(three_and_four: None, weigh: Any, settle: Settle, tmp_path: Path) -> None:
    """Fifty tenants are evened out over two databases, and one of these is emptied, by movers that are killed again and
    again, while six processes write to all of them.
    """
    weigh(shard3=1, shard4=1)
    tenants = settle("shard3", 50, rows=200)
    with traffic_in_all(tenants, tmp_path, 5) as seen:
        begun = perf_counter()
        kills = sum(_killed(lambda: [*rebalancing.apply(rebalancing.plan("tenants"))], each) for each in range(3))
        connections.close_all()
        outcomes = [each for _, each in rebalancing.apply(rebalancing.plan("tenants", tolerance=0), processes=2)]
        evened_s = perf_counter() - begun
        assert where_if_served(tenants) == {"shard3": 25, "shard4": 25}
        assert rebalancing.plan("tenants", tolerance=0).moves == ()
        weigh(shard3=1, shard4=0)
        begun = perf_counter()
        kills += sum(_killed(lambda: [*drain("shard4")], each) for each in range(3))
        connections.close_all()
        outcomes += [each for _, each in drain("shard4", processes=2)]
        drained_s = perf_counter() - begun
        seen[tenants[-1].slug].wait(2, timeout_s=60)
    assert where(tenants) == {"shard3": 50}
    rows = check_nothing_lost(tenants, seen, rows=200)
    print(
        f"\n{kills} movers killed; evened out in {evened_s:.1f} s, emptied in {drained_s:.1f} s; {rows:,} writes "
        f"acknowledged, none lost; {_gaps(outcomes)}"
    )
    assert {each.state for each in outcomes} == {"moved"}


def where_if_served(tenants: list[Tenant]) -> dict[str, int]:
    return dict(Counter(Tenant.objects.filter(pk__in=[each.pk for each in tenants]).values_list("db", flat=True)))


def _gaps(outcomes: list[Relocated]) -> str:
    gaps = sorted(each.gap_s for each in outcomes if each.gap_s is not None)
    return f"{len(gaps)} moves, not served for {gaps[len(gaps) // 2]:.2f} s in the median, {gaps[-1]:.2f} s at most"


def _killed(function: Callable[[], Any], number: int) -> bool:
    """Whether a mover was killed, in the midst of a tenant that is not its first."""
    return run(function, Fault("kill", "_moved_", behind=700 + 150 * number), timeout_s=300).killed

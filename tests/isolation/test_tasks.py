"""Many jobs of many tenants over real workers of Celery's, of each kind: each is its own tenant's, whoever is killed.

Jobs write rows that name whom they ran for, and one of a model that the registry has too, where a job that ran for
nobody would leave it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from random import Random
from time import monotonic, sleep
from typing import Any

import pytest
from celery import chain, chord, group
from django.contrib.auth.models import Group
from psutil import Process

from tenancy import tenant_context
from tenancy.background import MARK
from tenancy.contrib.celery import for_each_tenant
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.queues import tasks
from tests.queues.app import app
from tests.queues.workers import Worker, working

WAYS = {
    "task": lambda names: group(tasks.write.si(name) for name in names),
    "retried": lambda names: group(tasks.stubborn.si(name) for name in names),
    "chain": lambda names: chain(tasks.write.si(name) for name in names),
    "sent by a task": lambda names: tasks.spread.si(names),
    "chord": lambda names: chord([tasks.write.si(name) for name in names[1:]], tasks.write.si(names[0])),
}
"""What is sent to have rows of these names written."""
POOLS = ("prefork", "threads", "solo", "gevent")
SAFE = ("task", "retried", "chain", "sent by a task")
"""Celery itself loses the body of a chord if a process is killed between the last part and the body."""


@pytest.fixture
def _late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers acknowledge what is done, so what was cut off is done by another."""
    monkeypatch.setenv("QUEUES_LATE", "yes")


@pytest.fixture(autouse=True)
def _redis(redis_url: str, committed: None) -> Iterator[None]:
    app.conf.update(broker_url=redis_url, result_backend=redis_url)
    yield
    app.backend.client.flushdb()
    Group.objects.all().delete()


def send(expected: dict[str, set[str]], tenants: list[Tenant], jobs: int, ways: Sequence[str], queue: str) -> None:
    """Send so many jobs, of two or three rows each; note the names of all rows, by tenant."""
    random = Random(queue)
    for number in range(jobs):
        tenant, way = random.choice(tenants), random.choice(ways)
        names = [f"job {number}{part} {queue}" for part in "abc"[: random.choice((2, 3))]]
        with tenant_context(tenant):
            WAYS[way](names).set(queue=queue).apply_async()
        expected[tenant.slug].update(names)


def missing(tenants: list[Tenant], expected: dict[str, set[str]]) -> int:
    """How many rows are not there yet; in no tenant may there be any of another's, or of nobody's."""
    number = 0
    for tenant in tenants:
        with tenant_context(tenant):
            rows = list(Tag.objects.filter(name__startswith="job").values_list("name", "witness"))
        assert {witness for _, witness in rows} <= {tenant.slug}
        assert {name for name, _ in rows} <= expected[tenant.slug]
        number += len(expected[tenant.slug] - {name for name, _ in rows})
    assert list(Group.objects.all()) == []
    return number


def kill_one(worker: Worker, random: Random) -> None:
    """Kill a process that runs tasks, or the whole worker, which is started again."""
    children = worker.children()
    if children and random.random() < 0.75:
        worker.kill_child(random.choice(children))
    else:
        worker.kill()
        worker.start()


def check(tenants: list[Tenant], pools: Sequence[str], jobs: int, kills: int = 0, patience_s: float = 60) -> None:
    """Send so many jobs to a worker of each kind, and see them done, though so many processes are killed."""
    random, begun = Random(kills), monotonic()
    with ExitStack() as stack:
        workers = [stack.enter_context(working(pool, pool, 2 if pool == "prefork" else 8)) for pool in pools]
        expected, nobodys = defaultdict(set), []
        for pool in pools:
            send(expected, tenants, jobs, SAFE if kills else tuple(WAYS), pool)
            nobodys += [tasks.ask.apply_async(queue=pool) for _ in range(jobs // 10)]
        killed = 0
        while killed < kills or missing(tenants, expected):
            assert monotonic() < begun + patience_s, f"{missing(tenants, expected)} rows are missing"
            sleep(random.uniform(0.2, 1.5) if kills else 0.2)
            if killed < kills:
                kill_one(random.choice(workers), random)
                killed += 1
        assert [each.get(timeout=30) for each in nobodys] == [[None]] * len(nobodys)
        took_s = monotonic() - begun
    assert missing(tenants, expected) == 0
    rows = sum(map(len, expected.values()))
    print(f"{', '.join(pools)}: {jobs} jobs each, {rows} rows, {killed} kills, {took_s:.0f} s")


@pytest.mark.slow
def test_pools(towns: Any) -> None:
    """Jobs sent in every way, by workers of every kind."""
    check(towns(4), POOLS, jobs=20)


@pytest.mark.slow
@pytest.mark.usefixtures("_late")
def test_kills(towns: Any) -> None:
    """Two of those who do them are killed, and each is done."""
    check(towns(4), ["prefork"], jobs=20, kills=2)


@pytest.mark.long
@pytest.mark.parametrize("pool", POOLS)
def test_pools_at_length(towns: Any, pool: str) -> None:
    """More of them, of twenty tenants."""
    check(towns(20), [pool], jobs=1_000, patience_s=600)


@pytest.mark.long
@pytest.mark.usefixtures("_late")
def test_kills_at_length(towns: Any) -> None:
    """Two thousand jobs, which are five thousand tasks, and twenty kills."""
    check(towns(20), ["prefork"], jobs=2_000, kills=20, patience_s=1200)


@pytest.fixture
def crowd(committed: None) -> Iterator[Callable[[int], None]]:
    """Makes rows of active tenants, so many that nobody would make their schemas for this."""

    def make(number: int) -> None:
        names = [f"crowd-{each}" for each in range(number)]
        Tenant.objects.bulk_create(
            [Tenant(name=name, slug=name, db="default", schema_name=name, status="active") for name in names],
            batch_size=2_000,
        )

    yield make
    crowd = Tenant.objects.filter(slug__startswith="crowd-")
    crowd._raw_delete(crowd.db)


def check_each(number: int) -> None:
    """One message for each of so many tenants, and how long that takes."""
    before_mb, begun = Process().memory_info().rss / 1e6, monotonic()
    assert for_each_tenant("tests.queues.tasks.ask", queue="unread") == Tenant.objects.filter(status="active").count()
    took_s, grown_mb = monotonic() - begun, Process().memory_info().rss / 1e6 - before_mb
    messages = [json.loads(message) for message in app.backend.client.lrange("unread", 0, -1)]
    named = Counter(message["headers"][MARK] for message in messages)
    assert named == Counter(str(pk) for pk in Tenant.objects.filter(status="active").values_list("pk", flat=True))
    print(f"{number} tenants: {took_s:.1f} s, {grown_mb:+.0f} MB")


def test_each_tenant(crowd: Any) -> None:
    """One message for each tenant."""
    crowd(200)
    check_each(200)


@pytest.mark.long
def test_each_tenant_at_length(crowd: Any) -> None:
    """Of fifty thousand."""
    crowd(50_000)
    check_each(50_000)

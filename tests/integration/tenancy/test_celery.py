"""Celery with real workers and a real Redis: whatever is sent runs for whom it was sent, or not at all."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import local
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from celery import chain, chord, group, signature
from celery.result import AsyncResult
from celery.schedules import crontab
from celery.signals import task_postrun, task_prerun
from django.contrib.auth.models import Group
from django.db import connections, transaction

from django_schemas import active_placement
from tenancy import current_tenant, lifecycle, registry, tenant_context
from tenancy.background import MARK, active_owners
from tenancy.contrib.celery import for_each_tenant
from tenancy.exceptions import TenancyError, TenantNotActive, UnknownTenant
from tenancy.models import Tenant
from tenancy.states import Status
from tests.apps.garage.models import Tag
from tests.gate import gate_before
from tests.queues import tasks
from tests.queues.app import app
from tests.queues.page import block
from tests.queues.workers import Worker, working

PATIENCE_S = 20
SLUGS = ("hooli", "vehement", "umbrella")


@pytest.fixture(autouse=True)
def _redis(redis_url: str) -> Iterator[None]:
    """The app sends to the Redis of the tests."""
    app.conf.update(broker_url=redis_url, result_backend=redis_url)
    yield
    app.backend.client.delete(tasks.HEARD)


@pytest.fixture
def file_results(tmp_path: Path) -> Iterator[None]:
    """Results are kept by a backend that can't count the parts of a chord."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUEUES_RESULTS", f"file://{tmp_path}")
        patch.setitem(app.conf, "result_backend", f"file://{tmp_path}")
        patch.setattr(app, "_local", local())
        patch.setattr(app, "_backend_cache", None)
        yield


@pytest.fixture
def jobs(tenants: dict[str, Tenant], committed: None) -> Iterator[dict[str, Tenant]]:
    """Tenants that are committed; what tasks wrote is deleted."""
    yield {tenant.slug: tenant for tenant in Tenant.objects.filter(slug__in=SLUGS)}
    for tenant in Tenant.objects.filter(slug__in=SLUGS):
        with tenant_context(tenant):
            Tag.objects.filter(name__startswith="job").delete()
            Group.objects.all().delete()
    Group.objects.all().delete()


@pytest.fixture(scope="module")
def worker(redis_url: str, provisioned: Any) -> Iterator[Worker]:
    """One worker with two processes, for most tests."""
    app.conf.update(broker_url=redis_url, result_backend=redis_url)
    with working("prefork", "celery", CACHE_TTL_S=0, TASKS_RETRY={"moving": 0.2, "provisioning": 0.2}) as worker:
        yield worker


@contextmanager
def having(status: str, slug: str) -> Iterator[None]:
    """Let a tenant have this status, though it is current."""
    Tenant.objects.filter(slug=slug).update(status=status)
    registry.forget()
    try:
        yield
    finally:
        Tenant.objects.filter(slug=slug).update(status=Status.ACTIVE)
        registry.forget()


def got(result: AsyncResult) -> Any:
    return result.get(timeout=PATIENCE_S)


def heard() -> list[list[Any]]:
    """What tasks told, in its order."""
    return [json.loads(line) for line in app.backend.client.lrange(tasks.HEARD, 0, -1)]


def hear(*expected: str, whose: str | None) -> None:
    """Wait until tasks told all this, and no more, each for this tenant."""
    until(lambda: len(heard()) >= len(expected))
    assert sorted(heard()) == sorted([what, whose] for what in expected)


def until(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_S
    while not holds():
        assert monotonic() < deadline, "not in time"
        sleep(0.02)


def expect(expected: dict[str, list[str]]) -> None:
    """Wait until tasks wrote this, and no more."""
    until(lambda: {slug: written_in(slug) for slug in expected} == expected)
    assert written() == {**{slug: [] for slug in SLUGS}, **expected}


def written_in(slug: str) -> list[str]:
    with tenant_context(Tenant.objects.get(slug=slug)):
        return sorted(Tag.objects.filter(name__startswith="job").values_list("name", flat=True))


def written() -> dict[str, list[str]]:
    """Names of the rows that tasks wrote, by tenant; none may be another's, or nobody's."""
    found = {}
    for tenant in Tenant.objects.filter(slug__in=SLUGS):
        with tenant_context(tenant):
            rows = Tag.objects.filter(name__startswith="job")
            assert set(rows.values_list("witness", flat=True)) <= {tenant.slug}
            found[tenant.slug] = sorted(rows.values_list("name", flat=True))
            assert sorted(Group.objects.values_list("name", flat=True)) == found[tenant.slug]
    assert list(Group.objects.all()) == []
    return found


class TestSending:
    """What is sent, in whatever way, names the current tenant."""

    @pytest.mark.parametrize("slug", ["hooli", "umbrella", None])
    def test_ways(self, worker: Worker, jobs: dict[str, Tenant], slug: str | None) -> None:
        """By a task, by its name, with headers of one's own, by a class, as a callback, a chain, a group, a chord; and
        by who is nobody's.
        """
        ask = tasks.ask
        with tenant_context(jobs[slug]) if slug else nullcontext():
            results = {
                "delay": ask.delay(),
                "send_task": app.send_task("tests.queues.tasks.ask"),
                "signature": signature("tests.queues.tasks.ask", app=app).apply_async(),
                "headers": tasks.ask_headers.apply_async(headers={"of_mine": 7, MARK: str(jobs["vehement"].pk)})
                if slug
                else tasks.ask_headers.apply_async(headers={"of_mine": 7}),
                "class": app.tasks["tests.queues.tasks.classy"].delay(),
                "chain": chain(ask.si(), ask.s(), ask.s()).apply_async(),
                "group": group(ask.si(), ask.si()).apply_async(),
                "chord": chord([ask.si(), ask.si()], ask.s()).apply_async(),
                "chain of groups": (ask.si() | group(ask.s(), ask.s()) | ask.s() | ask.s()).apply_async(),
                "map": ask.map([1]).apply_async(),
            }
            linked = ask.apply_async(link=ask.s())
        each = [slug]
        assert {way: got(result) for way, result in results.items()} == {
            "delay": each,
            "send_task": each,
            "signature": each,
            "headers": [slug, 7],
            "class": slug,
            "chain": [[each, slug], slug],
            "group": [each, each],
            "chord": [[each, each], slug],
            "chain of groups": [[[[each, slug], [each, slug]], slug], slug],
            "map": [[1, slug]],
        }
        got(linked)
        (child,) = linked.children
        assert got(child) == [each, slug]

    def test_in_a_task(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """What a task sends is for its own tenant."""
        for slug in SLUGS:
            with tenant_context(jobs[slug]):
                tasks.spread.delay([f"job {slug} {number}" for number in range(3)])
        expected = {slug: [f"job {slug} {number}" for number in range(3)] for slug in SLUGS}
        expect(expected)

    @pytest.mark.parametrize("slug", SLUGS)
    def test_on_commit(self, worker: Worker, jobs: dict[str, Tenant], slug: str) -> None:
        """What waits for the commit waits for that of the tenant's own database."""
        with tenant_context(jobs[slug]):
            with transaction.atomic(using=jobs[slug].db):
                tasks.write.delay_on_commit("job 1")  # type: ignore[attr-defined]
                tasks.write.apply_async_on_commit(("job 2",), countdown=0)  # type: ignore[attr-defined]
                sleep(0.3)
                assert written_in(slug) == []
            with suppress(ValueError), transaction.atomic(using=jobs[slug].db):
                tasks.write.delay_on_commit("job 3")  # type: ignore[attr-defined]
                raise ValueError
        expect({slug: ["job 1", "job 2"]})


class TestRunning:
    def test_retry(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """A task that is retried keeps its tenant."""
        with tenant_context(jobs["umbrella"]):
            assert got(tasks.stubborn.delay("job")) == "umbrella"
        assert heard() == [[f"attempt {number}", "umbrella"] for number in range(3)]
        assert written() == {"hooli": [], "umbrella": ["job"], "vehement": []}

    def test_hooks(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """Hooks run in the tenant, of a class of the project's own that calls no super() as well."""
        with tenant_context(jobs["vehement"]):
            got(tasks.hooked.delay())
            hear(
                "before_start", "run", "on_retry", "before_start", "run", "on_success", "after_return", whose="vehement"
            )
            app.backend.client.delete(tasks.HEARD)
            tasks.hooked.delay(fails=True)
            hear(
                "before_start", "run", "on_retry", "before_start", "run", "on_failure", "after_return", whose="vehement"
            )
            app.backend.client.delete(tasks.HEARD)
            tasks.called.delay()
            hear("before_start", "__call__", "run", "on_success", "after_return", whose="vehement")

    def test_error_callbacks(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """Both kinds of error callbacks run in the tenant: of a task that fails, and of one whose process dies."""
        errors = [tasks.on_error.s(), tasks.on_error_by_id.s()]
        for task in (tasks.fail, tasks.die):
            with tenant_context(jobs["hooli"]):
                task.apply_async(link_error=errors)
            hear("called back", "sent back", whose="hooli")
            app.backend.client.delete(tasks.HEARD)

    def test_time_limit(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """So do they, and the hooks, of a task that is killed since it takes too long."""
        with tenant_context(jobs["umbrella"]):
            sleeper = app.tasks["tests.queues.tasks.hooked_sleep"]
            sleeper.apply_async((30,), time_limit=1, link_error=tasks.on_error_by_id.s())
        expected = {(what, "umbrella") for what in ("before_start", "on_failure", "after_return", "sent back")}
        until(lambda: len(heard()) >= len(expected))
        sleep(1)  # Celery sends callbacks of such a task twice.
        assert set(map(tuple, heard())) == expected

    def test_expired(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """So do those of a chord, of which a part came too late to be run."""
        got(tasks.ask.delay())
        with tenant_context(jobs["hooli"]):
            # The other part is done first, so this one is what ends the chord.
            part = tasks.ask.si().set(countdown=1.5, expires=1.2)
            chord([part, tasks.ask.si()], tasks.ask.s().on_error(tasks.on_error_by_id.s())).apply_async()
        hear("sent back", whose="hooli")
        sleep(1)  # Celery may send it twice, which is nothing that the next test is to hear.

    def test_nothing_is_left(self, jobs: dict[str, Tenant], redis_url: str) -> None:
        """Behind a task of a tenant's, in the same thread, one of nobody's finds nothing active."""
        with working("solo", "solo", 1):
            found = []
            for slug in SLUGS:
                with tenant_context(jobs[slug]):
                    found.append(tasks.ask.apply_async(queue="solo"))
                found.append(tasks.ask.apply_async(queue="solo"))
            assert [got(each) for each in found] == [["hooli"], [None], ["vehement"], [None], ["umbrella"], [None]]


class TestRefusing:
    def refused(self, result: AsyncResult, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            got(result)

    @pytest.mark.parametrize("status", [Status.SUSPENDED, Status.DELETING])
    def test_status(self, worker: Worker, jobs: dict[str, Tenant], status: str) -> None:
        """A task of a tenant that is not active fails by that, and nothing of it runs: no hook, no callback, no next;
        a neighbour's runs.
        """
        with tenant_context(jobs["hooli"]):
            jobs["hooli"].set_status(status)
            errors = [tasks.on_error.s(), tasks.on_error_by_id.s()]
            results = [
                tasks.hooked.apply_async(link_error=errors),
                tasks.write.apply_async(("job",), link=tasks.write.si("job next")),
                (tasks.write.si("job") | tasks.write.si("job next")).apply_async(),
                chord([tasks.write.si("job")], tasks.write.si("job body").on_error(tasks.on_error.s())).apply_async(),
            ]
        with tenant_context(jobs["vehement"]):
            got(tasks.write.delay("job"))
        try:
            for result in results[:2]:
                self.refused(result, TenantNotActive, f"'hooli' is {status}")
            for result in results[2:]:
                with pytest.raises(Exception, match=f"'hooli' is {status}"):
                    got(result)
            with tenant_context(jobs["vehement"]):  # Behind all that was sent meanwhile: callbacks are refused too.
                got(tasks.write.apply_async(("job",), countdown=1))
        finally:
            jobs["hooli"].set_status(Status.ACTIVE)
        assert heard() == []
        assert written() == {"hooli": [], "umbrella": [], "vehement": ["job"]}

    @pytest.mark.slow
    def test_polled_chord(self, jobs: dict[str, Tenant], file_results: None) -> None:
        """Where a task polls for the end of a chord, it tells of a refused one, too."""

        def sent() -> Any:
            parts = [tasks.ask.si().set(queue="polled") for _ in range(2)]
            return chord(parts, tasks.ask.s().set(queue="polled")).apply_async(queue="polled")

        with working("threads", "polled", CACHE_TTL_S=0):
            with tenant_context(jobs["umbrella"]):
                assert got(sent()) == [[["umbrella"], ["umbrella"]], "umbrella"]
            with tenant_context(jobs["hooli"]), having(Status.SUSPENDED, "hooli"):
                body = sent()
                until(lambda: body.state == "FAILURE")

    @pytest.mark.parametrize("owner", ["00000000-0000-0000-0000-000000000000", "hooli", "1"])
    def test_unknown(self, worker: Worker, jobs: dict[str, Tenant], owner: str) -> None:
        """A header that names nobody is no platform's task."""
        result = tasks.hooked.apply_async(headers={MARK: owner}, link_error=tasks.on_error.s())
        self.refused(result, UnknownTenant, owner)
        assert heard() == []

    @pytest.mark.parametrize("status", [Status.MOVING, Status.PROVISIONING])
    def test_put_off(self, worker: Worker, jobs: dict[str, Tenant], status: str) -> None:
        """A task of a tenant that is soon back is put off, more often than it may be retried, and then runs as ever."""
        with tenant_context(jobs["hooli"]), having(status, "hooli"):
            result = tasks.hooked.delay()
            until(lambda: result.state == "RETRY")
            sleep(1.2)
            assert heard() == []
        got(result)
        hear("before_start", "run", "on_retry", "before_start", "run", "on_success", "after_return", whose="hooli")

    def test_registry_away(self, jobs: dict[str, Tenant], redis_url: str) -> None:
        """A task is put off while the registry can't be asked."""
        with gate_before(int(connections["default"].settings_dict["PORT"])) as gate:
            behind = {"HOST": "127.0.0.1", "PORT": gate.port}
            with working("threads", "away", 1, {"default": behind}, RETRY_AFTER_S=1):
                gate.refuses = True
                with tenant_context(jobs["umbrella"]):
                    result = tasks.write.apply_async(("job",), queue="away")
                until(lambda: result.state == "RETRY")
                gate.refuses = False
                assert got(result) == "umbrella"
        assert written() == {"hooli": [], "umbrella": ["job"], "vehement": []}


class TestHere:
    """Without a worker."""

    @pytest.fixture
    def eager(self) -> Iterator[None]:
        app.conf.task_always_eager = True
        yield
        app.conf.task_always_eager = False

    def test_called(self, jobs: dict[str, Tenant]) -> None:
        """A task that is called runs in what is current here."""
        assert tasks.ask() == [None]
        with tenant_context(jobs["hooli"]):
            assert tasks.ask() == ["hooli"]
            with tenant_context(jobs["umbrella"]):
                assert tasks.ask() == ["umbrella"]

    def test_eager(self, eager: None, jobs: dict[str, Tenant], nothing_sent: Any) -> None:
        """Eager tasks run in what is current, which stays current behind them, and no registry is asked."""
        assert tasks.ask.delay().get() == [None]
        with tenant_context(jobs["hooli"]):
            with nothing_sent():
                assert tasks.ask.delay().get() == ["hooli"]
                assert (tasks.ask.si() | tasks.ask.s()).apply_async().get() == [["hooli"], "hooli"]
            assert tasks.stubborn.delay("job").get() == "hooli"
            with tenant_context(jobs["umbrella"]):
                assert tasks.ask.delay().get() == ["umbrella"]
            assert current_tenant() == jobs["hooli"]
        assert tasks.ask.apply_async(headers={MARK: str(jobs["umbrella"].pk)}).get() == ["umbrella"]
        assert current_tenant() is None

    def test_eager_refused(self, eager: None, jobs: dict[str, Tenant]) -> None:
        """An eager task of a tenant that is not active is refused, and is not waited for."""
        for status in (Status.SUSPENDED, Status.MOVING):
            with having(status, "hooli"), pytest.raises(TenantNotActive, match=status):
                tasks.write.apply_async(("job",), headers={MARK: str(jobs["hooli"].pk)}).get()
        assert written() == {"hooli": [], "umbrella": [], "vehement": []}

    def test_left(self, eager: None, jobs: dict[str, Tenant]) -> None:
        """Behind a task its tenant is left, though somebody keeps its request."""
        kept: list[Any] = []

        def keep(task: Any, **kwargs: Any) -> None:
            kept.append(task.request)

        task_postrun.connect(keep)
        tasks.ask.apply_async(headers={MARK: str(jobs["hooli"].pk)})
        task_postrun.disconnect(keep)
        assert (len(kept), current_tenant(), active_placement()) == (1, None, None)

    def test_not_entered(self, eager: None, jobs: dict[str, Tenant]) -> None:
        """If nobody made the tenant current, since a project disconnected all receivers, its task does not run."""
        receivers = task_prerun.receivers
        task_prerun.receivers = []
        try:
            with pytest.raises(TenancyError, match="not current"):
                tasks.ask.apply_async(headers={MARK: str(jobs["hooli"].pk)}).get()
        finally:
            task_prerun.receivers = receivers

    def test_fault(self, eager: None, jobs: dict[str, Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever else keeps a tenant from being current, its task does not run, nor any of its hooks."""

        def broken(owner: str) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr("tenancy.contrib.celery.addressee", broken)
        with pytest.raises(RuntimeError, match="broken"):
            tasks.hooked.apply_async(headers={MARK: str(jobs["hooli"].pk)}).get()
        assert heard() == []


class TestForEachTenant:
    def test_schedule(self, worker: Worker, jobs: dict[str, Tenant]) -> None:
        """As beat sends it, a task runs once for each active tenant, and for no other."""
        lifecycle.suspend(jobs["vehement"])
        try:
            sent = app.send_task(
                "tenancy.for_each_tenant", ("tests.queues.tasks.write",), {"kwargs": {"name": "job"}, "expires": 60}
            )
            assert got(sent) == Tenant.objects.filter(status=Status.ACTIVE).count()
        finally:
            lifecycle.resume(jobs["vehement"])
        expect({"hooli": ["job"], "umbrella": ["job"]})

    def test_page(self, jobs: dict[str, Tenant]) -> None:
        """What the page tells to write is a schedule that does it."""
        code: dict[str, Any] = {"app": SimpleNamespace(conf=SimpleNamespace()), "crontab": crontab}
        exec(block("Once for each tenant"), code)
        entry = code["app"].conf.beat_schedule["remind"]
        for_each_tenant(*entry["args"], **entry["kwargs"], queue="unread")
        messages = [json.loads(message) for message in app.backend.client.lrange("unread", 0, -1)]
        app.backend.client.delete("unread")
        sent = {(each["headers"]["task"], each["headers"][MARK], bool(each["headers"]["expires"])) for each in messages}
        assert sent == {("shop.tasks.remind_all", owner, True) for owner in active_owners()}
        args, kwargs, _ = json.loads(b64decode(messages[0]["body"]))
        assert (args, kwargs) == ([], {"before": "noon"})

    def test_within_a_tenant(self, jobs: dict[str, Tenant]) -> None:
        """Within a tenant all would be for that one: it is refused."""
        with tenant_context(jobs["hooli"]), pytest.raises(TenancyError, match="no tenant is current"):
            for_each_tenant("tests.queues.tasks.write")

"""Django's tasks with a real backend and its real worker: whatever is enqueued runs for whom it was, or not at all."""

import json
import os
from collections.abc import Iterator
from time import sleep
from typing import Any

import pytest

from tests.adoption.project import Project, asked, made_database
from tests.audit.processes import VARIABLE
from tests.queues.django_tasks import FILES

pytestmark = pytest.mark.slow

HEAD = """
import asyncio, copy, json, pickle
from uuid import uuid4
from jobs import tasks
from jobs.models import Job
from tenancy import tenant_context
from tenancy.models import Tenant
tenants = {tenant.slug: tenant for tenant in Tenant.objects.all()}
"""
MAKE = """
for slug, db in (("hooli", "default"), ("vehement", "default"), ("umbrella", "other")):
    Tenant.objects.create(name=slug, db=db)
"""
ENQUEUE = """
for slug, tenant in tenants.items():
    with tenant_context(tenant):
        tasks.write.enqueue("job", more=1)
        tasks.spread.enqueue("job")
        asyncio.run(tasks.awrite.aenqueue("async job"))
        pickle.loads(pickle.dumps(tasks.platform)).enqueue() if hasattr(tasks.platform, "_reconstruct") else None
tasks.platform.enqueue()
for owner in (str(uuid4()), "hooli"):
    tasks.platform.enqueue(tenancy_tenant=owner)
for slug, status in (("vehement", "suspended"), ("umbrella", "moving")):
    Tenant.objects.filter(slug=slug).update(status=status)
"""
SEEN = """
from django_tasks_db.models import DBTaskResult
rows = {}
for slug, tenant in tenants.items():
    with tenant_context(tenant, allow_inactive=True):
        rows[slug] = sorted(Job.objects.values_list("name", "witness"))
results = DBTaskResult.objects.order_by("enqueued_at").values_list("task_path", "status", "return_value", "traceback")
print(json.dumps([rows, list(results)]))
"""


class Site(Project):
    def environ(self, settings: str) -> dict[str, str]:
        return {**super().environ(settings), VARIABLE: os.environ[VARIABLE]}

    def shell(self, code: str) -> str:
        return self.manage("settings", "shell", "-v0", "-c", HEAD + code)

    def work(self) -> None:
        """Let a worker do all that there is to do."""
        self.manage("settings", "db_worker", "--batch", "--no-startup-delay", "-v0")

    def seen(self) -> tuple[dict[str, list[list[str]]], list[list[Any]]]:
        """The rows of each tenant, and what became of each task."""
        rows, results = json.loads(self.shell(SEEN))
        return rows, results


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = f"tasks_{os.getpid()}"
    with made_database(name) as url, made_database(f"{name}_other"):
        project = Site(tmp_path_factory.mktemp("site"), url, FILES)
        project.manage("settings", "makemigrations", "-v0", "jobs")
        project.manage("settings", "migrate", "-v0")
        project.shell(MAKE)
        yield project


def test_database_backend(site: Site) -> None:
    """Tasks run in the tenant they were enqueued in, and so does what they enqueue; the queue is in the registry. Of a
    suspended tenant, and of one that is not known, none runs; of one that is moved they run once it is back.
    """
    site.shell(ENQUEUE)
    ((number,),) = asked(site.url, "SELECT count(*) FROM registry.django_tasks_database_dbtaskresult")
    ((own,),) = asked(
        site.url, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'django_tasks%' AND schemaname <> 'registry'"
    )
    assert (number >= 12, own) == (True, 0)
    site.work()
    hooli = [["async job", "hooli"], ["job", "hooli"], ["job spread", "hooli"]]
    rows, results = site.seen()
    assert rows == {"hooli": hooli, "umbrella": [], "vehement": []}
    assert [["hooli", {"more": 1}], ["hooli", {"attempt": 1}]] == [
        value for path, _, value, _ in results if path == "jobs.tasks.write" and value
    ]
    assert {("SUCCESSFUL", None)} <= {
        (status, value) for path, status, value, _ in results if path.endswith("platform")
    }
    failed = [traceback for _, status, _, traceback in results if status == "FAILED"]
    assert sum("UnknownTenant" in each for each in failed) == 2
    assert sum("'vehement' is suspended" in each for each in failed) >= 3
    put_off = sum("is moving" in each and "enqueued again" in each for each in failed)
    assert put_off >= 3
    site.shell("Tenant.objects.update(status='active')")
    sleep(1.1)
    site.work()
    rows, results = site.seen()
    umbrella = [["async job", "umbrella"], ["job", "umbrella"], ["job spread", "umbrella"]]
    assert rows == {"hooli": hooli, "umbrella": umbrella, "vehement": []}
    assert sum(status == "FAILED" for _, status, _, _ in results) == len(failed)


def test_immediate_backend(site: Site) -> None:
    """A task that runs at once runs in what is current, or for whom it names; a call runs in what is current."""
    said = site.shell(
        """
found = [tasks.now.func.__name__]
for slug, tenant in tenants.items():
    with tenant_context(tenant):
        found.append(tasks.now.enqueue("now").return_value)
        found.append(tasks.now.call("now"))
        found.append(asyncio.run(tasks.now.acall("now")))
owner = str(tenants["umbrella"].pk)
found.append(tasks.now.enqueue("now", tenancy_tenant=owner).return_value)
found.append(asyncio.run(tasks.now.acall("now", tenancy_tenant=owner)))
Tenant.objects.filter(slug="hooli").update(status="moving")
refused = tasks.now.enqueue("now", tenancy_tenant=str(tenants["hooli"].pk))
Tenant.objects.filter(slug="hooli").update(status="active")
found += [refused.status, refused.errors[0].exception_class.__name__, refused.errors[0].traceback.count("again, as")]
found.append(tasks.who())
print(json.dumps(found))
"""
    )
    each = [slug for slug in ("hooli", "umbrella", "vehement") for _ in range(3)]
    assert json.loads(said) == ["now", *each, "umbrella", "umbrella", "FAILED", "TenantNotActive", 0, None]


def test_task_of_another_backend(site: Site) -> None:
    """A task that was made for a backend that knows nothing of tenants is refused by one that does."""
    said = site.shell(
        """
try:
    tasks.plain.using(backend="now")
except Exception as error:
    print(type(error).__name__, error)
with tenant_context(tenants["umbrella"]):
    print(tasks.now.using(backend="plain").enqueue("plain").return_value)
"""
    )
    assert "ConfigError Task 'plain' was made for a backend without TenantBackend" in said
    assert said.endswith("umbrella\n")

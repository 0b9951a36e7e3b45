"""What needs more than one transaction: several processes and threads, failures that must be kept, and what a process
remembers from one request to the next.
"""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from django.db import connections
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext

from django_schemas.replicas import forget_writes
from django_schemas.schemas import schema_exists
from tenancy import lifecycle
from tenancy.exceptions import ProvisioningFailed, TenantExists
from tenancy.models import Tenant
from tenancy.provisioning import provision
from tenancy.states import Status
from tests.integration.tenancy.test_middleware import get


def away(tenant: Tenant) -> None:
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


@pytest.fixture
def breaks_in() -> Iterator[list[str]]:
    """Names of schemas whose migration is to fail after all tables are made."""
    names: list[str] = []

    def fail(using: Any, **kwargs: Any) -> None:
        if getattr(using, "schema", None) in names:
            raise RuntimeError("no luck")

    post_migrate.connect(fail)
    yield names
    post_migrate.disconnect(fail)


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_failure_leaves_no_schema_and_says_why(tenants: Any, committed: None, breaks_in: list[str], db: str) -> None:
    """A failed tenant has a status and a reason, and no half-made schema; a retry works."""
    breaks_in.append("unlucky")
    with pytest.raises(ProvisioningFailed, match="no luck") as raised:
        Tenant.objects.create(name="Unlucky", db=db)
    assert isinstance(raised.value.__cause__, RuntimeError)
    tenant = Tenant.objects.get(slug="unlucky")
    assert (tenant.status, tenant.status_reason) == ("failed", "RuntimeError: no luck")
    assert not schema_exists(db, "unlucky")
    breaks_in.clear()
    provision(tenant)
    again = Tenant.objects.get(slug="unlucky")
    found = (again.status, again.status_reason, schema_exists(db, "unlucky"))
    away(again)
    assert found == ("active", "", True)


def test_one_winner(tenants: Any, committed: None) -> None:
    """Of eight threads that create the same tenant at once one wins, and the others are told that it exists."""

    def attempt(_: int) -> str:
        try:
            return Tenant.objects.create(name="Coveted", db="default").status
        except TenantExists:
            return "exists"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(attempt, range(8)))
    # A replica may not have heard yet of what other threads wrote.
    tenant = Tenant.objects.using("default").get(slug="coveted")
    away(tenant)
    assert outcomes == ["active"] + ["exists"] * 7


KILLED = """
    import os, signal, django
    django.setup()
    from django.db import connections
    for name in ("default", "shard2"):
        connections[name].settings_dict["NAME"] = os.environ["NAME_" + name]
    from django.db.models.signals import post_migrate
    def die(using, **kwargs):
        if getattr(using, "schema", None) == "doomed":
            os.kill(os.getpid(), signal.SIGKILL)
    post_migrate.connect(die)
    from tenancy.models import Tenant
    Tenant.objects.create(name="Doomed", db=os.environ["ON"])
"""


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_killed_process_leaves_nothing_half_made(tenants: Any, committed: None, db: str) -> None:
    """A process that is killed while it provisions leaves no schema; its tenant is not served, and can be resumed."""
    names = {f"NAME_{alias}": str(connections[alias].settings_dict["NAME"]) for alias in ("default", "shard2")}
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED)],
        env={**os.environ, **names, "ON": db, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=False,
    )
    tenant = Tenant.objects.get(slug="doomed")
    found = (killed.returncode, tenant.status, schema_exists(db, "doomed"))
    provision(tenant)
    resumed = Tenant.objects.get(slug="doomed").status
    away(tenant)
    assert found == (-signal.SIGKILL, "provisioning", False)
    assert resumed == "active"


def test_no_statement_more_than_the_views(tenants: Any, committed: None, sent: Any) -> None:
    """Once a tenant is known, its requests send what the view asks, nothing for the registry, and no SET."""
    get("hooli.saas.test")
    with sent() as statements:
        get("hooli.saas.test")
    assert statements == ['SELECT "garage_tag"."witness" AS "witness" FROM "hooli"."garage_tag"']


def test_suspension_is_seen_at_once_in_this_process(tenants: Any, committed: None) -> None:
    """What is remembered of a tenant is forgotten as it changes."""
    assert get("hooli.saas.test").status_code == 200
    tenant = Tenant.objects.get(slug="hooli")
    lifecycle.suspend(tenant)
    suspended = get("hooli.saas.test").status_code
    lifecycle.resume(tenant)
    assert (suspended, get("hooli.saas.test").status_code) == (403, 200)


def test_change_by_another_process_is_seen_within_the_ttl(tenants: Any, committed: None, settings: Any) -> None:
    """A change that this process is not told of is seen once the TTL is over."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 0.2}
    assert get("hooli.saas.test").status_code == 200
    Tenant.objects.filter(slug="hooli").update(status=Status.SUSPENDED)
    before = get("hooli.saas.test").status_code
    sleep(0.25)
    after = get("hooli.saas.test").status_code
    Tenant.objects.filter(slug="hooli").update(status=Status.ACTIVE)
    assert (before, after) == (200, 403)


def test_request_tenant_is_nobody_elses_object(tenants: Any, committed: None) -> None:
    """What a view does to request.tenant is not seen by the next request."""
    get("hooli.saas.test").wsgi_request.tenant.name = "Changed"
    assert get("hooli.saas.test").wsgi_request.tenant.name == "Hooli"


def test_refreshed_from_the_primary(committed: None) -> None:
    """What is done to a tenant goes by its row, which a replica may have an older version of."""
    tenant = Tenant.objects.create(name="Refreshed", db="default")
    forget_writes()
    with CaptureQueriesContext(connections["default"]) as sent:
        tenant.refresh_from_db()
    assert len(sent) == 1
    away(tenant)

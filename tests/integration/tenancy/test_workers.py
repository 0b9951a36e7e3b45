"""Work on many tenants at once, in real processes."""

import json
import os
import signal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from django_schemas.replicas import note_write
from tenancy import tenant_context
from tenancy.management.tenant.workers import Outcome, do_all
from tenancy.models import AbstractTenant, Tenant
from tests.apps.garage.models import Tag


@pytest.fixture
def three(provisioned: Any, committed: None) -> list[AbstractTenant]:
    return list(Tenant.objects.filter(slug__in=("hooli", "umbrella", "vehement")).order_by("slug"))


def die_in_umbrella(tenant: AbstractTenant) -> str:
    if tenant.slug == "umbrella":
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{os.getpid()}"


def test_migrate(three: Any) -> None:
    """Each process uses the databases of its parent; machines get one document."""
    out = StringIO()
    call_command("tenant", "migrate", "--all", "--parallel", "2", "--json", stdout=out)
    assert json.loads(out.getvalue()) == [
        {
            "slug": slug,
            "state": "current",
            "migrations": [],
            "backwards": False,
            "done": "nothing to migrate",
            "error": "",
            "seconds": 0.0,
        }
        for slug in ("hooli", "umbrella", "vehement")
    ]


def test_run(three: Any, capfd: Any) -> None:
    """Whole lines, each with its tenant; failures are told by tenant, and the exit is 1."""
    code = "import sys; from tenancy import current_tenant as c; c().slug == 'hooli' and sys.exit(3); print(c().slug)"
    err = StringIO()
    with pytest.raises(CommandError, match="Not done for hooli"):
        call_command("tenant", "run", "--all", "--parallel", "2", "--", "shell", "-v0", "-c", code, stderr=err)
    assert sorted(capfd.readouterr().out.splitlines()) == ["umbrella: umbrella", "vehement: vehement"]
    assert "hooli: CommandError: exited with 3" in err.getvalue()


def test_killed(three: Any) -> None:
    """Of a process that is killed the tenant is told as not done, and nobody waits for it."""
    outcomes = {outcome.slug: outcome for outcome in do_all(three, die_in_umbrella, processes=2)}
    assert "SIGKILL" in outcomes["umbrella"].error
    assert set(outcomes) == {"hooli", "umbrella", "vehement"}
    assert all(isinstance(outcome, Outcome) for outcome in outcomes.values())


def pid_at(tenant: AbstractTenant) -> str:
    # Here, since a process that was not copied knows nothing of what a test has set.
    connections[tenant.db].settings_dict["MAX_SCHEMAS_PER_CONNECTION"] = 1
    note_write(tenant.db)  # No replica is read.
    with tenant_context(tenant):
        assert list(Tag.objects.all())
    with connections[tenant.db].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("processes", [1, 2])
def test_sessions_are_recycled(three: Any, monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """Between two tenants a session ends that has seen as many schemas as it may."""
    for db in ("default", "shard2"):
        connections[db].close()
        monkeypatch.setitem(connections[db].settings_dict, "MAX_SCHEMAS_PER_CONNECTION", 1)
    pids = [outcome.done for outcome in do_all(three * 2, pid_at, processes)]
    assert len(set(pids)) == len(pids) == 6

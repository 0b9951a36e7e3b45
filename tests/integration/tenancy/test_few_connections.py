"""Work on a tenant with as few connections as the checks let a process have: it takes no more than these."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from django_schemas import budget
from tenancy import lifecycle
from tenancy.checks import FEWEST
from tenancy.models import Tenant

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.slow]

FEWEST_ELSEWHERE = 2


def _move(tenant: Tenant, folder: Path) -> None:
    home, other = tenant.db, "shard2" if tenant.db == "default" else "default"
    for to in (other, home):
        lifecycle.move(tenant, to, drop_source=True)


def _clone(tenant: Tenant, folder: Path) -> None:
    for db in ("default", "shard2"):
        lifecycle.clone(tenant, name=f"few in {db}", db=db)


def _transfer(tenant: Tenant, folder: Path) -> None:
    archive = str(folder / "few.zip")
    call_command("tenant", "export", tenant.slug, "--output", archive, verbosity=0)
    call_command("tenant", "import", archive, "--name", "few more", verbosity=0)


def _others(tenant: Tenant, folder: Path) -> None:
    for arguments in (["migrate"], ["check"], ["suspend"], ["resume"]):
        call_command("tenant", *arguments, tenant.slug, verbosity=0)
    lifecycle.rename(tenant, "fewer")


@pytest.mark.parametrize("home", ["default", "shard2"])
@pytest.mark.parametrize("work", [_move, _clone, _transfer, _others])
def test_work(home: str, work: Callable[[Tenant, Path], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody waits for a connection that this thread has itself."""
    known = set(Tenant.objects.values_list("pk", flat=True))
    monkeypatch.setattr(budget, "PATIENCE_S", 0.5)
    try:
        with monkeypatch.context() as patch:
            for db, most in (("default", FEWEST), ("shard2", FEWEST_ELSEWHERE)):
                connections[db].close()
                patch.setitem(connections[db].settings_dict, "MAX_CONNECTIONS", most)
            work(Tenant.objects.create(name="few", db=home), tmp_path)
            connections.close_all()
    finally:
        for tenant in Tenant.objects.exclude(pk__in=known):
            if tenant.work:
                lifecycle.resume_work(tenant)
            lifecycle.delete(tenant)
            lifecycle.purge(tenant)

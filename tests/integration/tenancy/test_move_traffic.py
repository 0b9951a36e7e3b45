"""Moving under traffic: no write that was acknowledged is lost, wherever the move is cut off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from django_schemas.environments import alias_for
from django_schemas.rows import copy_rows, make_like
from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import MoveRefused
from tenancy.lifecycle.fencing import fenced
from tenancy.models import Tenant
from tests.apps.garage.models import Owner
from tests.faults import HOWS, Fault, run

from .traffic import Traffic, traffic

pytestmark = pytest.mark.usefixtures("committed")

STEPS = {
    "before it is written down": ('UPDATE "registry"."tenancy_tenant" SET "work"', 0),
    "before the fence": ("SET TRANSACTION ISOLATION LEVEL", 0),
    "as the schema is made": ("CREATE SCHEMA", 1),
    "before it is not served": ('UPDATE "registry"."tenancy_tenant" SET "status"', 0),
    "before that is committed": ('INSERT INTO "registry"."tenancy_tenantevent"', 1),
    "before writers are kept out": ("LOCK TABLE", 0),
    "as rows are copied": ("LOCK TABLE", 12),
    "before the copy is committed": ("ANALYZE", 4),
    "behind the copy": ("ANALYZE", 5),
    "before the copy's rename": ("ALTER SCHEMA", 0),
    "before the rename": ("ALTER SCHEMA", 1),
    "before the rename is committed": ("ALTER SCHEMA", 2),
    "behind the rename": ("ALTER SCHEMA", 3),
    "behind the copy's rename": ("ALTER SCHEMA", 4),
    "before the registry is committed": ("ALTER SCHEMA", 5),
    "behind it all": ("ALTER SCHEMA", 6),
}
"""The steps of the protocol: a point of the mover's talk with PostgreSQL, and how many points behind it."""

COMMITS = tuple(step for step in STEPS if "committed" in step or step.startswith("behind the "))
SHORT = ("as rows are copied", "behind the copy", "behind the rename")


@pytest.fixture
def busy(committed: None, settings: Any) -> Iterator[Tenant]:
    """A tenant on default with a few rows, in a project whose processes remember where it is for half a second."""
    settings.TENANCY = {**settings.TENANCY, "CACHE_TTL_S": 0.5}
    tenant = Tenant.objects.create(name="Busy", db="default")
    yield tenant
    connections.close_all()
    tenant.refresh_from_db()
    if tenant.work:
        lifecycle.resume_work(tenant)
    lifecycle.drop_leftovers(tenant)
    lifecycle.delete(tenant)
    lifecycle.purge(tenant)


def fill(tenant: Tenant, rows: int) -> None:
    with tenant_context(tenant):
        for start in range(0, rows, 10_000):
            Owner.objects.bulk_create(
                Owner(name=f"r{number}", witness="load") for number in range(start, min(start + 10_000, rows))
            )


def other(tenant: Tenant) -> str:
    return "shard2" if tenant.db == "default" else "default"


def homes(tenant: Tenant) -> list[str]:
    """Databases in which a schema bears the tenant's name."""
    return [db for db in ("default", "shard2") if schema_exists(db, tenant.schema_name)]


def cut_off(tenant: Tenant, how: str, step: str) -> None:
    """Begin to move a tenant, and break that at a step."""
    to = other(tenant)
    at, behind = STEPS[step]
    outcome = run(lambda: lifecycle.move(tenant, to), Fault(how, at.format(to=to), behind), timeout_s=300)
    assert outcome.killed if how == "kill" else outcome.result or outcome.error, (how, step, outcome)
    tenant.refresh_from_db()


def check_nothing_lost(tenant: Tenant, load: int, seen: Traffic) -> None:
    tenant.refresh_from_db()
    assert (tenant.status, tenant.work, homes(tenant)) == ("active", None, [tenant.db])
    assert seen.lost(tenant) == set()
    with tenant_context(tenant):
        assert Owner.objects.filter(witness="load").count() == load


def test_registry_first_loses_writes(busy: Tenant, tmp_path: Path) -> None:
    """The control: if the registry says where the tenant is before its old schema is renamed, and the mover dies in
    between, what is written by those who have not heard of it is lost.
    """
    with traffic(busy, tmp_path, 2) as seen:
        target = alias_for("shard2", "busy", ("tenant",))
        with fenced(busy.alias) as fence:
            made = make_like(fence.connection, busy.alias, target, owner=str(busy.pk))
            fence.close()
            with transaction.atomic(using="shard2"):
                copy_rows(fence.connection, connections["shard2"], made)
            Tenant.objects.filter(pk=busy.pk).update(db="shard2")
        seen.wait()
        with connections["default"].cursor() as cursor:
            cursor.execute(f'ALTER SCHEMA "busy" RENAME TO "_moved_{busy.pk.hex}_1"')
    busy.refresh_from_db()
    assert seen.lost(busy)


def test_killed_at_each_step(busy: Tenant, tmp_path: Path) -> None:
    """A mover is killed at a step and another goes on with it, back and forth, while everybody writes."""
    back_and_forth(busy, tmp_path, SHORT, writers=3, load=2_000)


@pytest.mark.long
@pytest.mark.parametrize("how", HOWS)
def test_cut_off_at_each_step(busy: Tenant, tmp_path: Path, how: str) -> None:
    """The same at all steps, with more writers and rows, and whatever else can happen at a step."""
    steps = [step for step in STEPS if how != "unanswered" or step in COMMITS]
    back_and_forth(busy, tmp_path, steps, writers=4, load=5_000, how=how)


@pytest.mark.long
def test_a_million_rows_and_sixteen_writers(busy: Tenant, tmp_path: Path) -> None:
    """The same at each step."""
    back_and_forth(busy, tmp_path, STEPS, writers=16, load=1_000_000)


def back_and_forth(tenant: Tenant, folder: Path, steps: Any, writers: int, load: int, how: str = "kill") -> None:
    fill(tenant, load)
    with traffic(tenant, folder, writers) as seen:
        for number, step in enumerate(steps):
            cut_off(tenant, how, step)
            if number % 3 == 2:
                try:
                    lifecycle.abort_move(tenant)
                except MoveRefused:
                    lifecycle.resume_work(tenant)
            else:
                lifecycle.resume_work(tenant)
            seen.wait(2)
    check_nothing_lost(tenant, load, seen)

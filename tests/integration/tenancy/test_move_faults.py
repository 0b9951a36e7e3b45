"""A move that breaks at any statement or commit leaves a tenant that is as it was, or can be resumed or aborted."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import MoveRefused
from tenancy.models import Tenant
from tests.apps.garage.models import Owner
from tests.faults import Fault, faults_at, points_of, run

from .test_move import contents, leave

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def fragile(committed: None) -> Iterator[Tenant]:
    """A tenant on default, and a neighbour of it in the other database."""
    tenant = Tenant.objects.create(name="Fragile", db="default")
    with tenant_context(tenant):
        Owner.objects.create(name="Ada", witness="fragile")
    yield tenant
    tenant.refresh_from_db()
    leave(tenant)


def other(tenant: Tenant) -> str:
    return "shard2" if tenant.db == "default" else "default"


def check(tenant: Tenant, before: dict[str, list[str]], what: Any) -> None:
    """It is active, all its rows are in its one home, and nothing is under way."""
    tenant.refresh_from_db()
    homes = [db for db in ("default", "shard2") if schema_exists(db, tenant.schema_name)]
    assert (tenant.status, tenant.work, homes) == ("active", None, [tenant.db]), what
    assert contents(tenant) == before, what


def break_and_mend(tenant: Tenant, faults: Sequence[Fault]) -> int:
    """Move a tenant with each fault, then resume that or abort it, in turn; how many moves were left unfinished."""
    before, unfinished = contents(tenant), 0
    for number, fault in enumerate(faults):
        to = other(tenant)
        outcome = run(lambda to=to: str(lifecycle.move(tenant, to).new), fault)
        tenant.refresh_from_db()
        if tenant.work is not None:
            unfinished += 1
            assert tenant.status in ("active", "moving"), (fault, outcome)
            if number % 2:
                lifecycle.resume_work(tenant)
            else:
                try:
                    lifecycle.abort_move(tenant)
                except MoveRefused:
                    lifecycle.resume_work(tenant)
        check(tenant, before, (fault, outcome))
        lifecycle.drop_leftovers(tenant)
    return unfinished


def points(tenant: Tenant) -> list[str]:
    """What a mover says to PostgreSQL; there and back again."""
    there = points_of(lambda: str(lifecycle.move(tenant, "shard2").new))
    tenant.refresh_from_db()
    back = points_of(lambda: str(lifecycle.move(tenant, "default").new))
    tenant.refresh_from_db()
    lifecycle.drop_leftovers(tenant)
    return max(there, back, key=len)


def test_at_some_statements(fragile: Tenant) -> None:
    """Some statements, and most of the last ones, where the copy is committed and all is switched."""
    said = points(fragile)
    faults = list(faults_at(said, ("kill",)))
    others = list(faults_at(said[:-1], ("error", "backend")))
    chosen = [*faults[5:-22:60], *faults[-22::2], *others[10:-40:150], *others[-40::8]]
    assert break_and_mend(fragile, chosen) > 6


@pytest.mark.long
def test_unanswered_commits(fragile: Tenant) -> None:
    """Commits that are done, and whose answer is lost."""
    break_and_mend(fragile, list(faults_at(points(fragile), ("unanswered",))))


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill", "backend", "error"])
def test_at_each_statement(fragile: Tenant, how: str) -> None:
    """Each statement and each commit."""
    break_and_mend(fragile, list(faults_at(points(fragile), (how,))))

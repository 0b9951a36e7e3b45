"""Moving between servers, of different versions of PostgreSQL if there are programs of two; and servers that die."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from django_schemas.schemas import schema_exists
from tenancy import lifecycle, tenant_context
from tenancy.exceptions import MoveFailed
from tenancy.models import Tenant, TenantEvent
from tests.apps.garage.models import Car, Owner
from tools.postgres import Server, another_primary

from .test_move import contents, leave

pytestmark = pytest.mark.usefixtures("committed")


class Elsewhere:
    """A server of its own that database `shard2` stands for."""

    def __init__(self, server: Server, programs: Path) -> None:
        self.server, self.programs = server, programs

    def start(self) -> None:
        """Start it, and connect to it."""
        settings = connections["shard2"].settings_dict
        settings["PORT"] = self.server.start(self.programs)
        connections["shard2"].close()

    def die(self) -> None:
        """Have it stop at once."""
        self.server.stop()


@pytest.fixture
def elsewhere(committed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    connections["shard2"].close()
    with another_primary() as (server, programs):
        for name in ("PORT", "NAME"):
            monkeypatch.setitem(connections["shard2"].settings_dict, name, "postgres")
        found = Elsewhere(server, programs)
        found.start()
        yield found
        connections["shard2"].close()


@pytest.fixture
def emigrant(elsewhere: Elsewhere) -> Iterator[Tenant]:
    tenant = Tenant.objects.create(name="Emigrant", db="default")
    with tenant_context(tenant):
        owner = Owner.objects.create(name="Zoë \t\\N\n", witness="emigrant")
        Car.objects.create(name="Käfer", owner=owner, witness="emigrant")
    yield tenant
    tenant.refresh_from_db()
    leave(tenant)


def versions() -> set[int]:
    return {connections[db].pg_version // 10_000 for db in ("default", "shard2")}


def test_there_and_back(emigrant: Tenant) -> None:
    """A tenant moves to another server and back, and has the same rows there and here."""
    before = contents(emigrant)
    for to in ("shard2", "default"):
        lifecycle.move(emigrant, to)
        assert (emigrant.db, contents(emigrant)) == (to, before), versions()


@pytest.mark.parametrize("at", ["CREATE TABLE", "setval"])
def test_target_dies(emigrant: Tenant, elsewhere: Elsewhere, at: str) -> None:
    """If the target's server dies the tenant is served where it was, though the copy can't be dropped; and it can be
    moved once the server is back.
    """
    before = contents(emigrant)
    died: list[str] = []

    def dies(execute: Any, sql: str, *rest: Any) -> Any:
        if at in sql and not died:
            died.append(sql)
            elsewhere.die()
        return execute(sql, *rest)

    served = r"is active at default\.emigrant as before"
    with connections["shard2"].execute_wrapper(dies), pytest.raises(MoveFailed, match=served):
        lifecycle.move(emigrant, "shard2")
    emigrant.refresh_from_db()
    assert (len(died), emigrant.status, emigrant.work) == (1, "active", None)
    assert contents(emigrant) == before
    told = TenantEvent.objects.filter(tenant_id=str(emigrant.pk)).latest("pk")
    assert (told.kind, told.data["left"]) == ("stayed", f"shard2._moving_{emigrant.pk.hex}")
    elsewhere.start()
    lifecycle.move(emigrant, "shard2")
    assert contents(emigrant) == before
    assert not schema_exists("default", "emigrant")

"""What a move costs, beside COPY alone from the one database into the other."""

import subprocess
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest
from django.db import connections

from django_schemas import schema_cursor
from django_schemas.identifiers import qualified
from tenancy import lifecycle
from tenancy.lifecycle.sizes import size_of
from tenancy.models import Tenant

from .test_move import leave

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.long]

FILL = (
    # Short rows with one index, and longer ones with two.
    "INSERT INTO garage_owner (name, witness) SELECT 'owner ' || n, 'load' FROM generate_series(1, %s) n",
    "INSERT INTO garage_car (name, witness, owner_id) SELECT 'car ' || n, rpad('load', 80, md5(n::text)), NULL "
    "FROM generate_series(1, %s) n",
)
TABLES = ("garage_owner", "garage_car")


@pytest.fixture
def loaded(committed: None, request: Any) -> Iterator[Tenant]:
    tenant = Tenant.objects.create(name="Loaded", db="default")
    with schema_cursor("default", "loaded") as cursor:
        for statement in FILL:
            cursor.execute(statement, [request.param // 2])
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    yield tenant
    tenant.refresh_from_db()
    leave(tenant)


def copy_alone(tenant: Tenant) -> float:
    """Seconds that psql takes to copy the two tables into empty ones that are made like them."""
    bare = Tenant.objects.create(name="Bare", db="shard2")
    started = perf_counter()
    for table in TABLES:
        source, target = (
            ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", address(each.db), "-c"] for each in (tenant, bare)
        )
        out, into = qualified(tenant.schema_name, table), qualified(bare.schema_name, table)
        with subprocess.Popen([*source, f"COPY {out} TO STDOUT"], stdout=subprocess.PIPE) as reading:
            subprocess.run([*target, f"COPY {into} FROM STDIN"], stdin=reading.stdout, check=True)
    took = perf_counter() - started
    leave(bare)
    return took


def address(db: str) -> str:
    settings = connections[db].settings_dict
    return f"host={settings['HOST']} port={settings['PORT']} user={settings['USER']} dbname={settings['NAME']}"


@pytest.mark.parametrize("loaded", [100_000, 1_000_000, 4_000_000], indirect=True)
def test_what_a_move_costs(loaded: Tenant) -> None:
    """Both ways, twice; the old schemas stay, as they do."""
    size = size_of(loaded.placement)
    for _ in range(2):
        bare_s = copy_alone(loaded)
        started = perf_counter()
        moved = lifecycle.move(loaded, "shard2")
        took = perf_counter() - started
        print(
            f"{size}: COPY alone {bare_s:.2f} s; move {took:.2f} s, ratio {took / bare_s:.2f}; "
            f"not served {moved.gap_s:.2f} s, {moved.gap_s / size.size * 2**30:.1f} s per GB; "
            f"{(moved.rows or 0) / took:,.0f} rows/s"
        )
        lifecycle.move(loaded, "default", drop_source=True)
        lifecycle.drop_leftovers(loaded)
    assert moved.rows == size.rows

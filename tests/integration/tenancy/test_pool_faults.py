"""Filling the pool, and claiming of it, can die: at each statement and commit the SQL fails, the backend is terminated,
or the process is killed. Then the tenant ends whole or gone, and each schema of the pool is one that is ready, once
`tenant pool` was run.
"""

from collections.abc import Callable
from functools import partial
from itertools import cycle

import pytest
from django.db import connections

from django_schemas.inventory import inventory_of
from django_schemas.schemas import mark_of
from tenancy.filling import fill, ready, strays, sweep
from tenancy.models import PooledSchema, Tenant
from tests.apps.crates.models import Crate
from tests.faults import faults_at, points_of, run
from tests.integration.tenancy.test_kill_matrix import (
    AS_IT_WAS,
    DATABASES,
    away,
    create,
    making,
    others,
    sample,
    small,  # noqa: F401  # a fixture
    state,
)

pytestmark = [
    pytest.mark.usefixtures("committed", "small"),
    pytest.mark.filterwarnings("ignore:Overriding setting DATABASES"),
]

SIZE = 2
WAYS = making(create).ways


def filled(db: str, size: int = SIZE) -> int:
    return len(list(fill(db, size)))


def emptied() -> None:
    away()
    for db in DATABASES:
        sweep(db, everything=True)


def unsound(db: str) -> list[str]:
    """What is wrong with a pool that somebody has just put right: its schemas, by name."""
    wrong = strays(db)
    for row in PooledSchema.objects.filter(db=db):
        tables = sorted(inventory_of(connections[db], row.schema_name).tables)
        whole = tables == ["crates_bottle", "crates_crate", "django_migrations"] and mark_of(db, row.schema_name)
        labels = list(Crate.set_db(db, row.schema_name).objects.values_list("label", flat=True)) if whole else []
        if mark_of(db, row.schema_name) != row.mark or labels != ["first"]:
            wrong.append(f"{row}: {tables} {labels}")
    return wrong


def wrong_ends(db: str, size: int, act: Callable[[], object], anywhere: bool) -> list[str]:
    """Inject faults into what is done with a pool of so many, and go on; what did not end well."""
    emptied()
    untouched = [others(each) for each in DATABASES]
    filled(db, size)
    points = points_of(act)
    faults = list(faults_at(points)) if anywhere else [fault for fault, _ in sample(points)]
    wrong = []
    for fault, way in zip(faults, cycle(WAYS.values()), strict=False):
        emptied()
        filled(db, size)
        outcome = run(act, fault)
        go_on, wanted = way if size else (lambda db: None, {"gone"})
        try:
            go_on(db)
            found = state()
            sweep(db)
            filled(db)
            if unsound(db) or ready(db) != SIZE:
                found += f", but of the pool {unsound(db)}, {ready(db)} ready"
            emptied()
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        if found not in wanted or [others(each) for each in DATABASES] != untouched:
            at = points[fault.at - 1] if isinstance(fault.at, int) and fault.at <= len(points) else "the end"
            wrong.append(f"{fault.how} at {fault.at} ({at[:90]}), {outcome.error}: {found}")
    print(f"on {db}: {len(points)} points, {len(faults)} runs, {len(wrong)} wrong")
    return wrong


def test_the_claim_is_there() -> None:
    """What is broken is a claim: the tenant is whole, and the pool one less."""
    emptied()
    filled("default")
    create("default")
    assert (state(), ready("default")) == (AS_IT_WAS, SIZE - 1)
    emptied()


@pytest.mark.parametrize("db", DATABASES)
@pytest.mark.parametrize("size", [0, SIZE], ids=["filling", "claiming"])
@pytest.mark.parametrize("anywhere", [False, pytest.param(True, marks=pytest.mark.long)], ids=["sample", "all"])
def test_broken(db: str, size: int, anywhere: bool) -> None:
    """A filling of an empty pool is broken, and the creation of a tenant that takes one of two."""
    act: Callable[[], object] = partial(create, db) if size else partial(filled, db)
    assert wrong_ends(db, size, act, anywhere) == []


def test_cut_off_between_two_databases() -> None:
    """Killed before its row is deleted, a claim has the schema, goes on with it, and the row is found out."""
    from tests.faults import Fault

    emptied()
    filled("shard2")
    outcome = run(partial(create, "shard2"), Fault("kill", 'DELETE FROM "registry"."tenancy_pooledschema"'))
    doomed = Tenant.objects.get(slug="doomed")
    found = (outcome.killed, doomed.status, mark_of("shard2", "doomed") is not None, ready("shard2"))
    assert found == (True, "provisioning", True, SIZE)
    create("shard2")
    assert (state(), ready("shard2"), sweep("shard2"), ready("shard2")) == (AS_IT_WAS, SIZE, [], SIZE - 1)
    emptied()

"""make_tenant: the tenants of tests, of the pool where something waits there, and all rolled back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from django_schemas.schemas import schema_exists
from tenancy import claiming, signals, tenant_context
from tenancy.exceptions import TenancyError
from tenancy.filling import fill, sweep
from tenancy.models import PooledSchema, Tenant
from tenancy.testing import make_tenant, stock
from tests.apps.garage.models import Tag


@pytest.fixture
def waiting(committed: None, tenants: Any) -> Iterator[None]:
    """A ready schema in each database."""
    for db in ("default", "shard2"):
        assert len(list(fill(db, 1))) == 1
    yield
    for db in ("default", "shard2"):
        sweep(db, everything=True)


@contextmanager
def rolled_back() -> Iterator[None]:
    """The transactions of a test."""
    with ExitStack() as stack:
        for db in ("default", "shard2"):
            block = transaction.atomic(using=db)
            block._from_testcase = True  # type: ignore[attr-defined]
            stack.enter_context(block)
        yield
        for db in ("default", "shard2"):
            transaction.set_rollback(True, using=db)


@pytest.mark.parametrize("db", ["default", "shard2"])
def test_of_the_pool(waiting: None, db: str) -> None:
    """It takes what waits, in either database, and with the transactions that comes back."""
    (ready,) = PooledSchema.objects.filter(db=db)
    with rolled_back():
        made = make_tenant("Acme Labs", db=db)
        assert (made.status, made.slug, str(made.placement)) == ("active", "acme-labs", f"{db}.acme-labs")
        assert not PooledSchema.objects.filter(db=db).exists()
        assert not schema_exists(db, ready.schema_name)
        with tenant_context(made):
            # That of the migration; those of other tenants name their owners.
            assert [tag.witness for tag in Tag.objects.all()] == [""]
    assert list(PooledSchema.objects.filter(db=db)) == [ready]
    assert (schema_exists(db, ready.schema_name), schema_exists(db, "acme-labs")) == (True, False)


def test_pool_is_not_filled_up(waiting: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back is not made anew by a thread, whatever the size of the project's own pool."""
    settings.TENANCY = {**settings.TENANCY, "POOL": 3}
    asked: list[str] = []
    monkeypatch.setattr(claiming, "refill_later", asked.append)
    with rolled_back():
        make_tenant("Acme Labs")
    assert asked == []


def test_outside_of_tests_other_databases_keep_theirs(waiting: None) -> None:
    """Without the kit, what a transaction in the other database may roll back is not taken from the pool."""
    with rolled_back(), transaction.atomic(using="shard2"):
        tenant = Tenant.objects.create(name="Acme Labs", db="shard2")
        assert claiming.claim(tenant) is False


@pytest.mark.parametrize("provisioning", ["now", "on_commit", "manual", lambda tenant: None])
@pytest.mark.django_db(databases=["default", "shard2"])
def test_provisioning(tenants: Any, settings: Any, provisioning: Any) -> None:
    """It is active whatever the settings say of provisioning, and receivers have heard of it."""
    settings.TENANCY = {**settings.TENANCY, "PROVISIONING": provisioning}
    heard = []

    def hear(tenant: Tenant, **kwargs: Any) -> None:
        heard.append((tenant.slug, tenant.status))

    signals.tenant_provisioned.connect(hear)
    try:
        made = make_tenant("Acme Labs", slug="labs", db="shard2")
    finally:
        signals.tenant_provisioned.disconnect(hear)
    assert (made.status, made.db) == ("active", "shard2")
    assert heard == [("labs", "active")]


@pytest.mark.django_db
def test_its_database(tenants: Any, settings: Any) -> None:
    """That of the registry, wherever PLACING would put it; the first one where tenants may not be there."""
    assert make_tenant("Acme Labs").db == "default"
    settings.TENANCY = {**settings.TENANCY, "DATABASES": ["shard2"]}
    assert stock.home() == "shard2"


@pytest.mark.django_db
def test_database_not_made_for_tests(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused."""
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", "app")
    with pytest.raises(TenancyError, match="'default' was not made for tests"):
        make_tenant("Acme Labs")


def test_only_databases_made_for_tests(waiting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other is asked, or swept, by what makes schemas ready and clears up."""
    monkeypatch.setattr(stock, "_made", {})
    monkeypatch.setitem(stock._wanted, "shard2", 1)
    monkeypatch.setitem(connections["shard2"].settings_dict, "NAME", "app_shard2")
    connections["shard2"].close()
    stock.restock()
    stock.clear()
    assert (set(stock._made), connections["shard2"].connection) == ({"default"}, None)

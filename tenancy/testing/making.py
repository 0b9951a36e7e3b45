"""Makes the tenants of tests: real ones, as `objects.create()` makes them, whose schemas come from the stock."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections, router
from django.test import TestCase

from ..claiming import rehearsed
from ..conf import conf
from ..models import AbstractTenant
from ..provisioning import provision
from ..registry import tenant_model
from . import stock

__all__ = ["make_tenant"]


def make_tenant(name: str, **fields: Any) -> AbstractTenant:
    """Make a tenant that is active, with a schema of its own.

    What waits for the commit is done at once, so receivers of `tenant_provisioned` are called, and the schema is there
    whatever `PROVISIONING` says. In a transaction of a test all that is rolled back.

    Args:
        name: of the tenant.
        fields: of its row: `slug`, and those of the project's own. `db` is the registry's database unless it is given.

    Raises:
        ProvisioningFailed: the schema could not be made.
        TenancyError: the database was not made for tests.
        TenantExists: there is one of that slug or placement.
    """
    model = tenant_model()
    fields.setdefault("db", stock.home())
    databases = {str(router.db_for_write(model)), fields["db"]}
    stock.refuse_others(*databases)
    if not all(connections[db].in_atomic_block for db in databases):
        return _made(model, name, fields)
    with rehearsed() as taken:
        tenant = _made(model, name, fields)
    if not taken:
        stock.miss(tenant.db)
    return tenant


def _made(model: type[AbstractTenant], name: str, fields: dict[str, Any]) -> AbstractTenant:
    with _as_committed():
        tenant: AbstractTenant = model._default_manager.create(name=name, **fields)
    if not tenant.is_active:
        with _as_committed():
            provision(tenant)
    return tenant


@contextmanager
def _as_committed() -> Iterator[None]:
    """Call what waits for the commit of a block's transactions as the block ends."""
    with ExitStack() as stack:
        for db in {str(router.db_for_write(tenant_model())), *conf.weights}:
            stack.enter_context(TestCase.captureOnCommitCallbacks(using=db, execute=True))
        yield

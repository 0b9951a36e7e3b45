"""The test kit for projects: tenants whose schemas are there already, clients that ask at a tenant's host, and an
assertion that nothing leaves a tenant's schema.

With pytest, `fixtures` offers all that as fixtures; with Django's runner, `cases` as test cases. `factories`, which
takes factory_boy, is imported by its own name. Nothing else in tenancy imports any of these.

What is named here is imported when it is asked for: pytest imports `plugin`, and so this, before there are any models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cases import TenantTestCase, TenantTransactionTestCase
    from .clients import AsyncTenantClient, TenantClient
    from .making import make_tenant
    from .staying import assert_stays_in_tenant

__all__ = [
    "AsyncTenantClient",
    "TenantClient",
    "TenantTestCase",
    "TenantTransactionTestCase",
    "assert_stays_in_tenant",
    "make_tenant",
]

_MODULES = {
    "AsyncTenantClient": "clients",
    "TenantClient": "clients",
    "TenantTestCase": "cases",
    "TenantTransactionTestCase": "cases",
    "assert_stays_in_tenant": "staying",
    "make_tenant": "making",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

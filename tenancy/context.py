"""The current tenant: whose data this thread or task works on. Its placement is active for as long."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from django_schemas.ambient import Ambient, SyncAndAsync
from django_schemas.context import places

from .exceptions import TenantNotActive

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["current_owner", "current_tenant", "tenant_context"]

_F = TypeVar("_F", bound=Callable[..., Any])

_current: "Ambient[tenant_context]" = Ambient("tenancy_current")


def current_tenant() -> "AbstractTenant | None":
    """The tenant that is current in this thread or task, or None."""
    stack = _current.stack()
    return stack[-1].tenant if stack else None


def current_owner() -> str:
    """Whom a credential that is made or shown now is of: the current tenant's id; empty for the public host."""
    tenant = current_tenant()
    return "" if tenant is None else str(tenant.pk)


class tenant_context(SyncAndAsync["AbstractTenant"]):
    """Make a tenant current and its placement active: as a context manager or a decorator, sync or async.

    It nests, may be entered while it is entered, and may be shared by threads and tasks. As a decorator of a generator
    function it holds during each step and not between the steps.

    Args:
        tenant: whose data to work on.
        allow_inactive: accept a tenant that is not served: for exporting, migrating and the like.

    Raises:
        TenantNotActive: the tenant is not active; raised as the context is entered.
    """

    def __init__(self, tenant: "AbstractTenant", *, allow_inactive: bool = False) -> None:
        self.tenant = tenant
        self.allow_inactive = allow_inactive
        self._alias = tenant.alias

    def __enter__(self) -> "AbstractTenant":
        if not (self.allow_inactive or self.tenant.is_active):
            raise TenantNotActive(
                f"Tenant {self.tenant.slug!r} is {self.tenant.status}, not active: "
                "activate it, or say allow_inactive=True if this is maintenance."
            )
        _current.enter(self)
        places.enter(self._alias)
        return self.tenant

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        places.leave(self._alias)
        _current.leave(self)

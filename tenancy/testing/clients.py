"""Clients that ask at a tenant's host, as a browser does: the request finds nothing active but what it makes so itself.

Whatever is current in the test would hide that a view does without its tenant. Logging in writes into the tenant's own
schema, whatever is current.
"""

from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from django.test import AsyncClient, Client

from django_schemas import wrap_context

from ..context import current_tenant, tenant_context
from ..exceptions import TenancyError
from ..links import tenant_url
from ..models import AbstractTenant

__all__ = ["AsyncTenantClient", "TenantClient"]

_F = TypeVar("_F", bound=Callable[..., Any])

_hosts: WeakKeyDictionary[AbstractTenant, str] = WeakKeyDictionary()


def _chosen(tenant: AbstractTenant | None) -> tuple[AbstractTenant, str]:
    """The tenant that a client is for, and its host."""
    if tenant is not None:
        return tenant, urlsplit(tenant_url(tenant)).netloc
    current = current_tenant()
    if current is None:
        raise TenancyError(
            "A client of a tenant was made for nobody: give it a tenant, or make it while one is current."
        )
    # A test case makes two clients for each test, for one tenant.
    if current not in _hosts:
        _hosts[current] = urlsplit(tenant_url(current)).netloc
    return current, _hosts[current]


def _bare(function: _F) -> _F:
    """A function that runs with nothing active, wherever it is called."""
    return Context().run(wrap_context, function)


def _kept_here(session: Any) -> Any:
    """A session that is read and written with what is active now, wherever that is asked of it."""
    for name in ("load", "save", "create", "exists", "delete"):
        for method in (name, f"a{name}"):
            setattr(session, method, wrap_context(getattr(session, method)))
    return session


class TenantClient(Client):
    """Django's client, at a tenant's host: its primary domain, or the sub-domain of its slug.

    Args:
        tenant: whose host; that of the tenant that is current if None.
        *args: as of Django's client.
        **kwargs: likewise.
    """

    def __init__(self, tenant: AbstractTenant | None = None, *args: Any, **kwargs: Any) -> None:
        self.tenant, host = _chosen(tenant)
        super().__init__(*args, **{"SERVER_NAME": host, **kwargs})

    def request(self, **request: Any) -> Any:
        """Send a request; what is active in the test is not active there."""
        return _bare(super().request)(**request)

    @property
    def session(self) -> Any:
        """The session of this client, in the tenant's schema."""
        with tenant_context(self.tenant):
            return _kept_here(super().session)

    def login(self, **credentials: Any) -> bool:
        """Log in a user of the tenant."""
        with tenant_context(self.tenant):
            return super().login(**credentials)

    def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log in a user of the tenant without a password."""
        with tenant_context(self.tenant):
            super().force_login(user, backend)

    def logout(self) -> None:
        """Log out."""
        with tenant_context(self.tenant):
            super().logout()


class AsyncTenantClient(AsyncClient):
    """Django's asynchronous client, likewise.

    Args:
        tenant: whose host; that of the tenant that is current if None.
        *args: as of Django's client.
        **kwargs: likewise.
    """

    def __init__(self, tenant: AbstractTenant | None = None, *args: Any, **kwargs: Any) -> None:
        self.tenant, self.host = _chosen(tenant)
        super().__init__(*args, **kwargs)

    async def request(self, **request: Any) -> Any:
        """Send a request; what is active in the test is not active there."""
        # Django writes a host of its own, and one that the caller names beside it.
        headers = [header for header in request["headers"] if header != (b"host", b"testserver")]
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", self.host.encode("ascii")))
        return await _bare(super().request)(**{**request, "headers": headers})

    async def asession(self) -> Any:
        """The session of this client, in the tenant's schema."""
        async with tenant_context(self.tenant):
            return _kept_here(await super().asession())

    async def alogin(self, **credentials: Any) -> bool:
        """Log in a user of the tenant."""
        async with tenant_context(self.tenant):
            return await super().alogin(**credentials)

    async def aforce_login(self, user: Any, backend: str | None = None) -> None:
        """Log in a user of the tenant without a password."""
        async with tenant_context(self.tenant):
            await super().aforce_login(user, backend)

    async def alogout(self) -> None:
        """Log out."""
        async with tenant_context(self.tenant):
            await super().alogout()

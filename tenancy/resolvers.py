"""Resolvers: from a request to its tenant. A resolver is called with the request and answers with a tenant, whatever
its status, or with None if the request says nothing that this resolver understands.

A request that names a tenant that does not exist is refused by `UnknownTenant`, and no further resolver is asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .conf import conf
from .exceptions import UnknownTenant
from .hosts import canonical_host
from .models import AbstractTenant
from .registry import tenant_by_host, tenant_by_slug

__all__ = ["DomainResolver", "HeaderResolver", "Resolver", "SubdomainResolver", "host_of", "load_resolvers"]

Resolver = Callable[[HttpRequest], AbstractTenant | None]


def host_of(request: HttpRequest) -> str:
    """The request's host in canonical form.

    Raises:
        DisallowedHost: ALLOWED_HOSTS does not hold it (400).
        UnknownTenant: it is no host name that a tenant could have, as an IPv6 address.
    """
    try:
        return canonical_host(request.get_host())
    except ValidationError as error:
        raise UnknownTenant(f"No tenant has the host {request.get_host()!r}.") from error


class DomainResolver:
    """Finds the tenant that the exact host is registered for, as a row of the domain model."""

    def __call__(self, request: HttpRequest) -> AbstractTenant | None:
        """Find the tenant of a request."""
        host = host_of(request)
        if host == conf.base_domain:
            return None
        return tenant_by_host(host)


class SubdomainResolver:
    """Finds the tenant whose slug is the one label before `TENANCY["BASE_DOMAIN"]`."""

    def __call__(self, request: HttpRequest) -> AbstractTenant | None:
        """Find the tenant of a request."""
        slug, _, rest = host_of(request).partition(".")
        if not conf.base_domain or rest != conf.base_domain:
            return None
        return tenant_by_slug(slug)


class HeaderResolver:
    """Finds the tenant whose slug a header holds, if the verifier allows this request to name it.

    Not in the default chain: whoever can send a header could name any tenant.

    Args:
        verifier: called with the request and the tenant, which is not active yet; or its dotted path.
        header: name of the header.
    """

    def __init__(self, verifier: Callable[[HttpRequest, AbstractTenant], bool] | str, header: str = "X-Tenant") -> None:
        self.verifier = import_string(verifier) if isinstance(verifier, str) else verifier
        self.header = header

    def __call__(self, request: HttpRequest) -> AbstractTenant | None:
        """Find the tenant of a request."""
        slug = request.headers.get(self.header)
        if slug is None:
            return None
        tenant = tenant_by_slug(slug)
        if tenant is None or not self.verifier(request, tenant):
            # The same answer for both: whether a tenant exists is nobody's business.
            raise UnknownTenant(f"Header {self.header} names no tenant that this request may name.")
        return tenant


def load_resolvers(specifications: Sequence[Any]) -> list[Resolver]:
    """Make the chain that the settings describe.

    Args:
        specifications: of each resolver its dotted path, or a pair of that and a dict of its arguments.

    Raises:
        ImproperlyConfigured: one can't be made so.
    """
    return [_load(specification) for specification in specifications]


def _load(specification: Any) -> Resolver:
    path, options = specification if isinstance(specification, list | tuple) else (specification, {})
    try:
        resolver: Resolver = import_string(path)(**options)
    except (ImportError, TypeError) as error:
        raise ImproperlyConfigured(f"TENANCY['RESOLVERS']: {specification!r} can't be loaded: {error}") from error
    return resolver

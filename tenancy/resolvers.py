"""Resolvers: from a request to its tenant. A resolver is called with the request and answers with a tenant, whatever
its status, with a `Resolution` if there is more to say, or with None if the request says nothing that it understands.

A request that names a tenant that does not exist is refused by `UnknownTenant`, and no further resolver is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from .conf import conf
from .exceptions import UnknownTenant
from .hosts import canonical_host
from .models import AbstractTenant
from .registry import tenant_and_redirect, tenant_by_slug

__all__ = [
    "ClaimResolver",
    "DomainResolver",
    "HeaderResolver",
    "PathResolver",
    "Resolution",
    "Resolver",
    "SessionResolver",
    "SubdomainResolver",
    "Verifier",
    "host_of",
    "load_resolvers",
]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a request says of its tenant.

    Attributes:
        tenant: whom it is for, whatever the status.
        prefix: the beginning of the path that named the tenant, without a slash at its end; the views don't see it.
        redirect: the host that the request is to be redirected to.
    """

    tenant: AbstractTenant
    prefix: str = ""
    redirect: str | None = None


Resolver = Callable[[HttpRequest], AbstractTenant | Resolution | None]
Verifier = Callable[[HttpRequest, AbstractTenant], bool]


def host_of(request: HttpRequest) -> str:
    """The request's host in canonical form.

    Raises:
        DisallowedHost: ALLOWED_HOSTS does not hold it (400).
        UnknownTenant: it is no host name that a tenant could have, as an IPv6 address.
    """
    said = request.META.get("HTTP_HOST")
    try:
        if said is None or "HTTP_X_FORWARDED_HOST" in request.META or _is_others(request):
            return canonical_host(request.get_host())
        known: tuple[str, str] | None = request.__dict__.get(_KNOWN)
        if known is None or known[0] is not said:
            known = request.__dict__[_KNOWN] = said, _host_said(said, tuple(conf.allowed_hosts), conf.debug)
        return known[1]
    except ValidationError as error:
        raise UnknownTenant(f"No tenant has the host {request.get_host()!r}.") from error


_KNOWN = "_tenancy_host"
"""What the host of a request was found to be, for the next resolver of the chain."""

_get_host = HttpRequest.get_host


def _is_others(request: HttpRequest) -> bool:
    """Whether a request has another way than Django's to tell its host."""
    return type(request).get_host is not _get_host or "get_host" in request.__dict__


@lru_cache(maxsize=10_000)
def _host_said(said: str, allowed: tuple[str, ...], debug: bool) -> str:
    """What Django makes of a `Host`, which is a function of these alone. It takes as long as all else done here."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = said
    return canonical_host(request.get_host())


class DomainResolver:
    """Finds the tenant that the exact host is registered for, as a row of the domain model that is verified."""

    only_looks_up = True

    def __call__(self, request: HttpRequest) -> Resolution | None:
        """Find the tenant of a request."""
        host = host_of(request)
        if host == conf.base_domain:
            return None
        tenant, redirect = tenant_and_redirect(host)
        return None if tenant is None else Resolution(tenant, redirect=redirect)


class SubdomainResolver:
    """Finds the tenant whose slug is the one label before `TENANCY["BASE_DOMAIN"]`."""

    only_looks_up = True

    def __call__(self, request: HttpRequest) -> AbstractTenant | None:
        """Find the tenant of a request."""
        slug, _, rest = host_of(request).partition(".")
        if not conf.base_domain or rest != conf.base_domain:
            return None
        return tenant_by_slug(slug)


class PathResolver:
    """Finds the tenant whose slug follows a prefix of the path, as in `/t/acme/tickets/`.

    Views see the path behind it, and `reverse()` puts it before what it returns. On the bare `TENANCY["BASE_DOMAIN"]`
    only, where there is one: on a tenant's own host a path names nobody else.

    Args:
        prefix: what the slug follows.
    """

    only_looks_up = True

    def __init__(self, prefix: str = "/t/") -> None:
        if not (prefix.startswith("/") and prefix.endswith("/")):
            raise TypeError("prefix must begin and end with a slash.")
        self.prefix = prefix

    def __call__(self, request: HttpRequest) -> Resolution | None:
        """Find the tenant of a request."""
        host = host_of(request)
        if host != (conf.base_domain or host) or not request.path_info.startswith(self.prefix):
            return None
        slug = request.path_info.removeprefix(self.prefix).partition("/")[0]
        tenant = tenant_by_slug(slug)
        if tenant is None:
            raise UnknownTenant(f"There is no tenant {slug!r}, whom the path names.")
        return Resolution(tenant, prefix=f"{self.prefix}{slug}")


class ClaimResolver:
    """Finds the tenant whose slug a callable reads from the request, as from a signed token, if the verifier allows
    this request to name it.

    Args:
        verifier: called with the request and the tenant, which is not active yet; or its dotted path.
        claim: called with the request; gives a slug, or None if the request claims nothing; or its dotted path.
    """

    def __init__(self, verifier: Verifier | str, claim: Callable[[HttpRequest], str | None] | str) -> None:
        self.verifier: Verifier = import_string(verifier) if isinstance(verifier, str) else verifier
        self.claim: Callable[[HttpRequest], str | None] = import_string(claim) if isinstance(claim, str) else claim

    def __call__(self, request: HttpRequest) -> AbstractTenant | None:
        """Find the tenant of a request."""
        slug = self.claim(request)
        if slug is None:
            return None
        tenant = tenant_by_slug(slug) if isinstance(slug, str) else None
        if tenant is None or not self.verifier(request, tenant):
            # The same answer for both: whether a tenant exists is nobody's business.
            raise UnknownTenant(f"{type(self).__name__}: the request names no tenant that it may name.")
        return tenant


class HeaderResolver(ClaimResolver):
    """Finds the tenant whose slug a header holds, if the verifier allows this request to name it.

    Not in the default chain: whoever can send a header could name any tenant.

    Args:
        verifier: called with the request and the tenant, which is not active yet; or its dotted path.
        header: name of the header.
    """

    def __init__(self, verifier: Verifier | str, header: str = "X-Tenant") -> None:
        super().__init__(verifier, lambda request: request.headers.get(header))


class SessionResolver(ClaimResolver):
    """Finds the tenant whose slug the session holds, if the verifier allows this request to name it.

    The session middleware comes before ours then, and its sessions are the registry's, or in no database.

    Args:
        verifier: called with the request and the tenant, which is not active yet; or its dotted path.
        key: what the session keeps the slug under.
    """

    def __init__(self, verifier: Verifier | str, key: str = "tenant") -> None:
        super().__init__(verifier, lambda request: request.session.get(key))


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

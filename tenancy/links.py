"""Links to a tenant's pages, from anywhere: the public site, mails, another tenant."""

from django.http import HttpRequest
from django.http.request import split_domain_port

from django_schemas.exceptions import ConfigError

from .conf import conf
from .models import AbstractTenant
from .registry import primary_host_of

__all__ = ["tenant_url"]


def tenant_url(tenant: AbstractTenant, path: str = "/", request: HttpRequest | None = None) -> str:
    """The URL of a page of a tenant: on its primary host, else on its sub-domain.

    Args:
        tenant: whose page it is.
        path: the page, beginning with a slash.
        request: the present one, whose scheme and port the link has; `https` without one.

    Raises:
        ConfigError: the tenant has no primary host, and there is no BASE_DOMAIN.
    """
    host = primary_host_of(tenant)
    if host is None:
        if not conf.base_domain:
            raise ConfigError(
                f"Tenant {tenant.slug!r} has no primary domain and TENANCY['BASE_DOMAIN'] is not set: add a domain."
            )
        host = f"{tenant.slug}.{conf.base_domain}"
    scheme = (request.scheme if request is not None else None) or "https"
    _, port = split_domain_port(request.get_host()) if request is not None else ("", "")
    return f"{scheme}://{host}{':' + port if port else ''}/{path.removeprefix('/')}"

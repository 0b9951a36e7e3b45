"""Template tags: `{% load tenancy %}`, then `{% current_tenant as tenant %}` and `{% tenant_url tenant "/path/" %}`."""

from typing import Any

from django import template

from ..context import current_tenant as _current_tenant
from ..links import tenant_url as _tenant_url
from ..models import AbstractTenant

__all__ = ["current_tenant", "tenant_url"]

register = template.Library()


@register.simple_tag
def current_tenant() -> AbstractTenant | None:
    """The current tenant, or None."""
    return _current_tenant()


@register.simple_tag(takes_context=True)
def tenant_url(context: Any, tenant: AbstractTenant, path: str = "/") -> str:
    """The URL of a page of a tenant, with the scheme and the port of the present request if there is one."""
    return _tenant_url(tenant, path, context.get("request"))

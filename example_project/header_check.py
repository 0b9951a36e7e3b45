"""Who may name a tenant in the header `X-Tenant`: whoever shows an API key that this tenant made.

A header can be written by anybody, so the resolver asks here before it believes one.
"""

from django.http import HttpRequest

from tenancy import tenant_context
from tenancy.models import Tenant

from .helpdesk.views.api import find_key


def shows_key_of(request: HttpRequest, tenant: Tenant) -> bool:
    """Return whether the request shows an API key of the tenant, and leave it there for the view."""
    if not tenant.is_active:
        return False
    with tenant_context(tenant):
        request.api_key = find_key(request)
    return request.api_key is not None

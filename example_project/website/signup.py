"""Opening a help desk: one tenant, provisioned at once, and its owner inside it."""

from django.contrib.auth.models import User

from tenancy import tenant_context
from tenancy.models import Tenant

from ..workspace import PLANS


def open_help_desk(company: str, subdomain: str, email: str, password: str, plan: str = "") -> Tenant:
    """Create a tenant and its first user, who may do everything there.

    Raises:
        TenantExists: The subdomain is taken, or was until lately.
        ValidationError: The name or the subdomain can't be used.
    """
    tenant = Tenant.objects.create(name=company, slug=subdomain, settings={"plan": plan or PLANS[0]})
    with tenant_context(tenant):
        User.objects.create_superuser(username=email.lower(), email=email, password=password)
    return tenant

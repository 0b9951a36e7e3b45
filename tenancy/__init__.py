"""Tenants: a registry that maps each customer to a schema of its own, and what finds, makes and keeps them.

A request is resolved to a tenant (`middleware`, `resolvers`, `registry`) and served with that tenant's placement
active; `Tenant.objects.create()` makes the row and its schema (`models`, `placing`, `provisioning`).
"""

from .context import current_tenant, tenant_context

__all__ = ["current_tenant", "tenant_context"]

"""The admin of the registry, for the platform's own staff. Inside a tenant it shows and allows nothing.

What is done here calls the functions that the commands call, and is logged with the name of who did it.
"""

from .platform import PlatformOnlyMixin
from .tenants import DomainInline, TenantAdmin

__all__ = ["DomainInline", "PlatformOnlyMixin", "TenantAdmin"]

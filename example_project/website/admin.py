"""The platform staff's admin, on the bare domain: the registry, the staff's accounts, no tenant's rows."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from tenancy.admin import TenantAdmin
from tenancy.models import Tenant


class PlatformAdminSite(admin.AdminSite):
    """Django's admin, for those who run the platform."""

    site_header = "Harbor Desk · platform"
    site_title = "Harbor Desk platform"
    index_title = "Platform"


platform_admin = PlatformAdminSite(name="platform_admin")
platform_admin.register(Tenant, TenantAdmin)
platform_admin.register(User, UserAdmin)
platform_admin.register(Group, GroupAdmin)

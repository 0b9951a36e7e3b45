"""The admin of the registry, for the platform's own staff. Inside a tenant it shows and allows nothing."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from . import lifecycle
from .context import current_tenant
from .exceptions import TenancyError
from .models import AbstractTenant
from .provisioning import provision
from .registry import domain_model, tenant_model
from .states import Status

__all__ = ["DomainInline", "PlatformOnlyMixin", "TenantAdmin"]


class PlatformOnlyMixin:
    """Shows a model outside of tenants only: the registry is none of a tenant's business."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether its app is listed."""
        return current_tenant() is None and super().has_module_permission(request)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether it may be seen."""
        return current_tenant() is None and super().has_view_permission(request, obj)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whether one may be added."""
        return current_tenant() is None and super().has_add_permission(request, *args)  # type: ignore[misc]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether it may be changed."""
        return current_tenant() is None and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether it may be deleted."""
        return current_tenant() is None and super().has_delete_permission(request, obj)  # type: ignore[misc]


class DomainInline(PlatformOnlyMixin, admin.TabularInline):  # type: ignore[type-arg]
    """The hosts of a tenant."""

    model = domain_model()
    extra = 0


@admin.register(tenant_model())
class TenantAdmin(PlatformOnlyMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """Tenants: adding one provisions it; the actions call the functions of `lifecycle`."""

    list_display = ("name", "slug", "status", "db", "schema_name", "created_at")
    list_filter = ("status", "db")
    search_fields = ("name", "slug", "schema_name", "domains__host")
    fields = ("name", "slug", "db", "schema_name", "status", "status_reason", "created_at", "updated_at")
    inlines = (DomainInline,)
    actions = ("suspend", "resume", "provision", "delete_tenants", "restore")

    def get_readonly_fields(self, request: HttpRequest, obj: AbstractTenant | None = None) -> tuple[str, ...]:
        """What is chosen once can't be edited afterwards; the rest is not for editing by hand."""
        always = ("status", "status_reason", "created_at", "updated_at")
        return always if obj is None else ("slug", "db", "schema_name", *always)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are not deleted by hand: a tenant is deleted by the action, and purged by command."""
        return False

    def save_model(self, request: HttpRequest, obj: AbstractTenant, form: Any, change: bool) -> None:
        """Save; a tenant that could not be provisioned is kept as *failed*, and said to be."""
        try:
            super().save_model(request, obj, form, change)
        except TenancyError as error:
            if obj._state.adding:
                raise
            self.message_user(request, str(error), messages.ERROR)

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Stop serving the selected tenants."""
        self._each(request, queryset, lifecycle.suspend, "suspended")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Serve the selected tenants again."""
        self._each(request, queryset.filter(status=Status.SUSPENDED), lifecycle.resume, "resumed")

    @admin.action(description="Provision again", permissions=["change"])
    def provision(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Try again where provisioning failed or was cut off."""
        self._each(request, queryset, provision, "provisioned")

    @admin.action(description="Delete (can be restored)", permissions=["change"])
    def delete_tenants(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Stop serving the selected tenants for good; their data stay until they are purged by command."""
        self._each(request, queryset, lifecycle.delete, "deleted")

    @admin.action(description="Restore", permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[AbstractTenant]) -> None:
        """Serve deleted tenants again."""
        self._each(request, queryset.filter(status=Status.DELETING), lifecycle.restore, "restored")

    def _each(self, request: HttpRequest, queryset: QuerySet[AbstractTenant], function: Any, done: str) -> None:
        for tenant in queryset:
            try:
                function(tenant)
            except TenancyError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"{tenant} was {done}.", messages.SUCCESS)

"""What is shown outside of tenants only."""

from typing import Any

from django.http import HttpRequest

from ..context import current_tenant

__all__ = ["PlatformOnlyMixin"]


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

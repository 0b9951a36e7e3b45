"""The back office of one help desk: an admin site with the models of the environment `tenant` alone."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from ..workspace import workspace_of
from .models import ApiKey, Comment, Customer, Tag, Ticket


class TenantAdminSite(admin.AdminSite):
    """Django's admin, with the help desk's name at the top."""

    site_title = "Harbor Desk administration"
    index_title = "Back office"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "site_header": f"{workspace_of(request).name} · Harbor Desk"}


tenant_admin = TenantAdminSite(name="tenant_admin")
tenant_admin.register(User, UserAdmin)
tenant_admin.register(Group, GroupAdmin)


@admin.register(Customer, site=tenant_admin)
class CustomerAdmin(admin.ModelAdmin):
    list_display = ["name", "email", "company", "created_at"]
    search_fields = ["name", "email", "company"]


class CommentInline(admin.StackedInline):
    model = Comment
    extra = 0
    autocomplete_fields = ["author"]


@admin.register(Ticket, site=tenant_admin)
class TicketAdmin(admin.ModelAdmin):
    list_display = ["id", "subject", "customer", "status", "priority", "assignee", "updated_at"]
    list_display_links = ["id", "subject"]
    list_filter = ["status", "priority", "tags", "assignee"]
    list_select_related = ["customer", "assignee"]
    search_fields = ["subject", "description", "customer__name"]
    autocomplete_fields = ["customer", "assignee"]
    filter_horizontal = ["tags"]
    date_hierarchy = "created_at"
    inlines = [CommentInline]


@admin.register(Comment, site=tenant_admin)
class CommentAdmin(admin.ModelAdmin):
    list_display = ["id", "ticket", "author", "created_at"]
    list_select_related = ["ticket", "author"]
    search_fields = ["body", "ticket__subject"]
    autocomplete_fields = ["ticket", "author"]


@admin.register(Tag, site=tenant_admin)
class TagAdmin(admin.ModelAdmin):
    search_fields = ["name"]


@admin.register(ApiKey, site=tenant_admin)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys are made here. The secret is shown once, in the message after saving."""

    list_display = ["name", "created_at"]

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        secret = None if change else obj.new_secret()
        super().save_model(request, obj, form, change)
        if secret:
            messages.warning(request, f"Copy this key now, it is not shown again: {secret}")

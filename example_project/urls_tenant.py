"""The addresses on a tenant's host."""

from django.urls import include, path

from .helpdesk.admin import tenant_admin

urlpatterns = [
    path("", include("example_project.helpdesk.urls")),
    path("admin/", tenant_admin.urls),
]

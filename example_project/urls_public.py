"""The addresses on the bare domain: the public site, and the platform staff's admin."""

from django.urls import include, path

from .website.admin import platform_admin

urlpatterns = [
    path("", include("example_project.website.urls")),
    path("admin/", platform_admin.urls),
]

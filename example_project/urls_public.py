"""The addresses on the bare domain: the public site, and the platform staff's admin."""

from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from .website.admin import platform_admin

urlpatterns = [
    path("", include("example_project.website.urls")),
    path("admin/", platform_admin.urls),
    # The admin names no icon, so browsers ask here.
    path("favicon.ico", RedirectView.as_view(url=static("mark.svg"))),
]

"""The addresses on a tenant's host."""

from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from .helpdesk.admin import tenant_admin

urlpatterns = [
    path("", include("example_project.helpdesk.urls")),
    path("admin/", tenant_admin.urls),
    # The admin names no icon, so browsers ask here.
    path("favicon.ico", RedirectView.as_view(url=static("mark.svg"))),
]

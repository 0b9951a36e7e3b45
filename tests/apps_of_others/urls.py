"""What tenants are served: each app's URLs as its own documentation tells to include them."""

from django.contrib import admin
from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.admin.views import account
from wagtail.documents import urls as wagtaildocs_urls

from tenancy.tokens import token_generator
from tests.apps_of_others.shop import api, rest

urlpatterns = [
    path("admin/", admin.site.urls),
    path("rest/", include(rest.urlpatterns)),
    path("api/", api.api.urls),
    path("accounts/", include("allauth.urls")),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path(
        "cms/password_reset/",
        account.PasswordResetView.as_view(token_generator=token_generator),
        name="wagtailadmin_password_reset",
    ),
    path(
        "cms/password_reset/confirm/<uidb64>/<token>/",
        account.PasswordResetConfirmView.as_view(token_generator=token_generator),
        name="wagtailadmin_password_reset_confirm",
    ),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("", include(wagtail_urls)),
]

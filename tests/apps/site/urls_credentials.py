from django.contrib import admin
from django.urls import include, path

from tests.apps.site import credentials

urlpatterns = [
    path("", include("tenancy.auth_urls")),
    path("who/", credentials.who),
    path("awho/", credentials.awho),
    path("alogin/", credentials.aenter),
    path("untouched/", credentials.untouched),
    path("overwrite/", credentials.overwrite),
    path("drop/", credentials.drop),
    path("say/", credentials.say),
    path("sign/", credentials.sign),
    path("sign-as-django/", credentials.sign_as_django),
    path("seat/", credentials.seat),
    path("remember/", credentials.remember),
    path("confirm/", credentials.confirm),
    path("by-key/", credentials.by_key),
    path("form/", credentials.form),
    path("<str:kind>/<int:pk>/", credentials.show),
    path("admin/", admin.site.urls),
]

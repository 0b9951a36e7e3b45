"""Ours before Django's, at the same paths."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("tenancy.auth_urls")),
    path("accounts/", include("django.contrib.auth.urls")),
]

"""`django.contrib.auth.urls` with tokens that are of one tenant: `path("accounts/", include("tenancy.auth_urls"))`."""

from django.contrib.auth import urls, views
from django.urls import path

from .tokens import token_generator

__all__ = ["urlpatterns"]

_OURS = [
    path(
        "password_reset/",
        views.PasswordResetView.as_view(token_generator=token_generator),
        name="password_reset",
    ),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(token_generator=token_generator),
        name="password_reset_confirm",
    ),
]
_NAMES = {pattern.name for pattern in _OURS}
urlpatterns = [*_OURS, *(pattern for pattern in urls.urlpatterns if getattr(pattern, "name", None) not in _NAMES)]

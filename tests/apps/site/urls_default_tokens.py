from django.contrib.auth.views import PasswordResetView
from django.urls import include, path

from tenancy.tokens import token_generator

urlpatterns = [
    path("accounts/", include("django.contrib.auth.urls")),
    path("safe/", PasswordResetView.as_view(token_generator=token_generator)),
]

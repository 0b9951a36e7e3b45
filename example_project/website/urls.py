"""The addresses of the public site."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.LandingView.as_view(), name="landing"),
    path("signup/", views.SignUpView.as_view(), name="signup"),
    path("login/", views.FindView.as_view(), name="find"),
]

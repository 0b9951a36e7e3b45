from django.contrib import admin
from django.urls import path

from tests.apps.site import views

urlpatterns = [path("", views.public), path("admin/", admin.site.urls)]

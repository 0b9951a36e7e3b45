from django.contrib import admin
from django.urls import path

from tests.apps.site import views

urlpatterns = [
    path("", views.sync_view),
    path("async/", views.async_view),
    path("module/", views.module_queryset),
    path("tags/", views.Tags.as_view()),
    path("stream/", views.streaming),
    path("astream/", views.async_streaming),
    path("broken/", views.broken),
    path("admin/", admin.site.urls),
]

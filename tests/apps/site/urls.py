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
    path("tour/", views.tour),
    path("atour/", views.async_tour),
    path("write/", views.write),
    path("broken/", views.broken),
    path("slow-query/", views.slow_query),
    path("slow-here/", views.slow_here),
    path("aslow-query/", views.aslow_query),
    path("where/", views.where, name="where"),
    path("slow-where/", views.slow_where),
    path("elsewhere/", views.elsewhere),
    path("tenants/", views.tenants_only),
    path("atenants/", views.atenants_only),
    path("public/", views.PublicOnly.as_view()),
    path("apublic/", views.apublic_only),
    path("endless/", views.endless),
    path("aendless/", views.aendless),
    path("asilent/", views.asilent),
    path("afew/", views.afew),
    path("afailing/", views.afailing),
    path("admin/", admin.site.urls),
]

from django.contrib import admin
from django.urls import path

from tests.apps.site import views

urlpatterns = [
    path("", views.public),
    path("where/", views.where, name="where"),
    path("tenants/", views.tenants_only),
    path("atenants/", views.atenants_only),
    path("public/", views.PublicOnly.as_view()),
    path("apublic/", views.apublic_only),
    path("left/", views.left),
    path("admin/", admin.site.urls),
]

"""The page that is asked for: one query, as each tenant's own migrations made its row."""

from django.http import HttpRequest, JsonResponse
from django.urls import path

from benchmarks.shop.models import Warehouse


def warehouse(request: HttpRequest, pk: int) -> JsonResponse:
    """A warehouse."""
    found = Warehouse.objects.get(pk=pk)
    return JsonResponse({"code": found.code, "city": found.city})


urlpatterns = [path("<int:pk>/", warehouse)]

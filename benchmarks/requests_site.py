"""The site that is measured: one view with one query, of plain Django's model or of ours, sync and async."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

from .models import Book, PlainBook

# By its connection at once, as in a project that has no router.
_BOOKS: dict[str, Any] = {"plain": PlainBook.objects.db_manager("plain"), "ours": Book.objects}


def book(request: HttpRequest, side: str, pk: int) -> JsonResponse:
    """A book."""
    return _rendered(_BOOKS[side].get(pk=pk))


async def abook(request: HttpRequest, side: str, pk: int) -> JsonResponse:
    """A book, asynchronously."""
    return _rendered(await _BOOKS[side].aget(pk=pk))


def _rendered(found: Any) -> JsonResponse:
    return JsonResponse({"title": found.title, "pages": found.pages})


urlpatterns = [path("<slug:side>/<int:pk>/", book), path("async/<slug:side>/<int:pk>/", abook)]

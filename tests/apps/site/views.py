"""Views that show which tenant they are served for, by what they read."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.generic import ListView

from django_schemas import active_placement
from tenancy import current_tenant
from tests.apps.garage.models import Tag

# Made as this module is imported, which is within the first request where the URLconf is loaded lazily.
TAGS = Tag.objects.all()


def seen() -> dict[str, object]:
    tenant = current_tenant()
    return {
        "tenant": tenant.slug if tenant else None,
        "placement": str(active_placement()),
        "witnesses": sorted(set(Tag.objects.values_list("witness", flat=True))),
    }


def sync_view(request: HttpRequest) -> JsonResponse:
    return JsonResponse({**seen(), "request": request.tenant.slug})  # type: ignore[attr-defined]


async def async_view(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0)
    witnesses = sorted({tag.witness async for tag in Tag.objects.all()})
    tenant = current_tenant()
    return JsonResponse(
        {
            "tenant": tenant and tenant.slug,
            "placement": str(active_placement()),
            "witnesses": witnesses,
            "request": request.tenant.slug,
        }  # type: ignore[attr-defined]
    )


def module_queryset(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"witnesses": sorted({tag.witness for tag in TAGS.all()})})


def lines() -> Iterator[str]:
    for _ in range(5):
        yield json.dumps(seen()) + "\n"


async def alines() -> AsyncIterator[str]:
    for _ in range(5):
        tenant = current_tenant()
        witnesses = sorted({tag.witness async for tag in Tag.objects.all()})
        yield (
            json.dumps(
                {
                    "tenant": tenant and tenant.slug,
                    "placement": str(active_placement()),
                    "witnesses": witnesses,
                }
            )
            + "\n"
        )
        await asyncio.sleep(0)


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(lines())


async def async_streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(alines())


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


class Tags(ListView):
    queryset = Tag.objects.order_by("pk")

    def render_to_response(self, context: dict[str, object], **kwargs: object) -> HttpResponse:
        return JsonResponse({"witnesses": sorted({tag.witness for tag in self.object_list})})


def public(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"tenant": request.tenant, "users": get_user_model().objects.count()})  # type: ignore[attr-defined]


def knows_the_word(request: HttpRequest, tenant: object) -> bool:
    return request.headers.get("X-Word") == "sesame"

"""Views that show which tenant they are served for, by what they read."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from time import sleep

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template import RequestContext, Template
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.generic import ListView, View

from django_schemas import active_placement
from tenancy import current_tenant, tenant_context
from tenancy.decorators import public_only, tenant_required
from tenancy.models import Tenant
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


VISITED = ("hooli", "umbrella", "vehement")


def visits() -> Iterator[str]:
    """What is seen at others, twice at each, and then at home."""
    for slug in VISITED:
        with tenant_context(Tenant.objects.get(slug=slug)):
            for _ in range(2):
                yield json.dumps(seen()["witnesses"]) + "\n"
    yield json.dumps(seen()["witnesses"]) + "\n"


async def avisits() -> AsyncIterator[str]:
    for slug in VISITED:
        async with tenant_context(await Tenant.objects.aget(slug=slug)):
            for _ in range(2):
                yield json.dumps(sorted({tag.witness async for tag in Tag.objects.all()})) + "\n"
    yield json.dumps(sorted({tag.witness async for tag in Tag.objects.all()})) + "\n"


def tour(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(visits())


async def async_tour(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(avisits())


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(lines())


async def async_streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(alines())


def write(request: HttpRequest) -> JsonResponse:
    """Write what no page has room for, and take it away again."""
    tenant = current_tenant()
    assert tenant
    tags = Tag.objects.bulk_create(Tag(name="blue", witness=tenant.slug) for _ in range(500))
    Tag.objects.filter(pk__in=[tag.pk for tag in tags]).delete()
    return JsonResponse(seen())


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


def slow_query(request: HttpRequest) -> JsonResponse:
    """Has the database wait for so many seconds."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [float(request.GET["s"])])
    return JsonResponse(seen())


def slow_here(request: HttpRequest) -> JsonResponse:
    """Has the tenant's own database wait for so many seconds."""
    with connections[request.tenant.db].cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT pg_sleep(%s)", [float(request.GET["s"])])
    return JsonResponse(seen())


async def aslow_query(request: HttpRequest) -> JsonResponse:
    return await sync_to_async(slow_query, thread_sensitive=False)(request)


class Tags(ListView):
    queryset = Tag.objects.order_by("pk")

    def render_to_response(self, context: dict[str, object], **kwargs: object) -> HttpResponse:
        return JsonResponse({"witnesses": sorted({tag.witness for tag in self.object_list})})


def public(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"tenant": request.tenant, "users": get_user_model().objects.count()})  # type: ignore[attr-defined]


def knows_the_word(request: HttpRequest, tenant: object) -> bool:
    return request.headers.get("X-Word") == "sesame"


def claimed(request: HttpRequest) -> str | None:
    return request.headers.get("X-Claim")


def where(request: HttpRequest) -> HttpResponse:
    """What the templates, the URLconf and the middleware say of the place this request came to."""
    template = Template(
        "{% load static %}{% load tenancy %}{% url 'where' %} {% static 'a.css' %} {{ request.path }} "
        "{{ request.path_info }} {% current_tenant as tenant %}{{ tenant.slug }} "
        "{% if tenant %}{% tenant_url tenant '/x/' %}{% endif %}"
    )
    return HttpResponse(template.render(RequestContext(request)))


def slow_where(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(f"{reverse('where')}\n" for _ in range(3))


def elsewhere(request: HttpRequest) -> HttpResponse:
    return redirect("where")


def refused(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Sorry, {request.tenant}.")  # type: ignore[attr-defined]


async def arefused(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Sorry.", status=410)


@tenant_required
def tenants_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse("tenant")


@public_only
async def apublic_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse("public")


@method_decorator(public_only, name="dispatch")
class PublicOnly(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("public")


@tenant_required
async def atenants_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse("tenant")


ENDED: list[str | None] = []
"""Whose endless streams came to an end in this process."""


def endless(request: HttpRequest) -> StreamingHttpResponse:
    def events() -> Iterator[str]:
        try:
            while True:
                yield f"data: {json.dumps(seen())}\n\n"
                sleep(0.01)
        finally:
            note_end()

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def aendless(request: HttpRequest) -> StreamingHttpResponse:
    async def events() -> AsyncIterator[str]:
        try:
            while True:
                yield await _event()
                await asyncio.sleep(0.01)
        finally:
            note_end()

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def asilent(request: HttpRequest) -> StreamingHttpResponse:
    """One event, and then none for a minute."""

    async def events() -> AsyncIterator[str]:
        try:
            yield await _event()
            await asyncio.sleep(60)
        finally:
            note_end()

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def afew(request: HttpRequest) -> StreamingHttpResponse:
    """A stream of events that ends."""

    async def events() -> AsyncIterator[str]:
        for _ in range(3):
            yield await _event()

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def afailing(request: HttpRequest) -> StreamingHttpResponse:
    """A stream of events whose own time is up."""

    async def events() -> AsyncIterator[str]:
        yield await _event()
        raise TimeoutError("on purpose")

    return StreamingHttpResponse(events(), content_type="text/event-stream")


async def _event() -> str:
    return f"data: {json.dumps(await sync_to_async(seen)())}\n\n"


def note_end() -> None:
    tenant = current_tenant()
    ENDED.append(tenant and tenant.slug)


RESTS: list[str] = []
"""What was active where a request began."""


def note_rest() -> None:
    found = (current_tenant(), active_placement())
    if found != (None, None):
        RESTS.append(str(found))


def left(request: HttpRequest) -> JsonResponse:
    tenant, placement = current_tenant(), active_placement()
    return JsonResponse(
        {
            "tenant": tenant and tenant.slug,
            "placement": placement and str(placement),
            "ended": ENDED,
            "rests": RESTS[:10],
        }
    )

"""Pages that are kept in caches: whole, and in parts."""

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.cache import cache_page

from tenancy import current_tenant


def slug() -> str:
    tenant = current_tenant()
    return tenant.slug if tenant else ""


@cache_page(3600)
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(slug())


def parts(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string("{% load cache %}{% cache 3600 part %}{{ slug }}{% endcache %}")
    return HttpResponse(template.render({"slug": slug()}, request))


async def aparts(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await cache.aget_or_set("part", slug))


urlpatterns = [path("page/", page), path("parts/", parts), path("aparts/", aparts)]

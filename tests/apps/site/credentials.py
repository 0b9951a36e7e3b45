"""Views that tell whom a request is taken for, and do to its session what views do."""

from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin
from django.http import HttpRequest, HttpResponse, JsonResponse

from tenancy import signing


def who(request: HttpRequest) -> JsonResponse:
    kept = {key: value for key, value in request.session.items() if not key.startswith("_")}
    said = [message.message for message in messages.get_messages(request)]
    return JsonResponse({"user": request.user.get_username() or None, "kept": kept, "said": said})


async def awho(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username() or None})


async def aenter(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(request, username=request.POST["username"], password=request.POST["password"])
    await alogin(request, user)
    return HttpResponse()


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def overwrite(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    request.session["note"] = request.tenant.slug if request.tenant else "public"  # type: ignore[attr-defined]
    return HttpResponse()


def drop(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse()


def say(request: HttpRequest) -> HttpResponse:
    messages.info(request, f"said in {request.tenant.slug}")  # type: ignore[attr-defined]
    return HttpResponse()


def sign(request: HttpRequest) -> HttpResponse:
    signed = request.GET.get("signed")
    if signed is None:
        return HttpResponse(signing.dumps({"invoice": 7}, salt="invoices"))
    try:
        return JsonResponse(signing.loads(signed, salt="invoices", max_age=60))
    except signing.BadSignature:
        return HttpResponse(status=403)

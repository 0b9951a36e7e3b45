"""Views that tell whom a request is taken for, and do to its session what views do."""

from types import ModuleType

from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin
from django.contrib.auth.models import User
from django.core import signing as djangos
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404

from tenancy import signing
from tenancy.tokens import TenantTokenGenerator
from tests.apps.garage.models import Badge, Car, Owner, Tag


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
    return _signed(request, signing)


def sign_as_django(request: HttpRequest) -> HttpResponse:
    """As `sign`, by Django's own signer: what a project has before it knows of tenants."""
    return _signed(request, djangos)


def _signed(request: HttpRequest, by: ModuleType) -> HttpResponse:
    signed = request.GET.get("signed")
    if signed is None:
        return HttpResponse(by.dumps({"invoice": 7}, salt="invoices"))
    try:
        return JsonResponse(by.loads(signed, salt="invoices", max_age=60))
    except by.BadSignature:
        return HttpResponse(status=403)


def seat(request: HttpRequest) -> HttpResponse:
    """A cookie that Django signs: given where there is none, else read."""
    if "seat" in request.COOKIES:
        taken = request.get_signed_cookie("seat", default=None)
        return HttpResponse(taken, status=200 if taken else 403)
    response = HttpResponse()
    response.set_signed_cookie("seat", "12A")
    return response


def remember(request: HttpRequest) -> HttpResponse:
    """A cookie that says who somebody is, for a month: given where there is none, else read."""
    if "remember" not in request.COOKIES:
        response = HttpResponse()
        response.set_cookie("remember", signing.dumps({"user": request.user.pk or 7}, salt="remember"))
        return response
    try:
        kept = signing.loads(request.COOKIES["remember"], salt="remember", max_age=30 * 24 * 3600)
    except signing.BadSignature:
        return HttpResponse(status=403)
    return HttpResponse(get_object_or_404(User, pk=kept["user"]).username)


class Confirmation(TenantTokenGenerator):
    """Tokens that confirm an address."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}{user.email}{timestamp}"


confirmation = Confirmation()


def confirm(request: HttpRequest) -> HttpResponse:
    user = get_object_or_404(User, pk=7)
    token = request.GET.get("token")
    if token is None:
        return HttpResponse(confirmation.make_token(user))
    return HttpResponse(status=200 if confirmation.check_token(user, token) else 403)


def by_key(request: HttpRequest) -> HttpResponse:
    """Let in who sends the number of a badge, as a project's own table of API keys does."""
    badge = Badge.objects.select_related("user").filter(number=request.headers.get("X-Badge", 0)).first()
    return HttpResponse(badge.user.username) if badge else HttpResponse(status=403)


def form(request: HttpRequest) -> HttpResponse:
    """The token of a form; what is posted with it is taken."""
    return HttpResponse("taken" if request.method == "POST" else get_token(request))


def show(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """A row of a tenant by its key."""
    models = {"tag": Tag, "owner": Owner, "car": Car}
    if kind not in models:
        raise Http404(kind)
    return HttpResponse(get_object_or_404(models[kind], pk=pk).witness)

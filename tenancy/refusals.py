"""The answers that no view of a tenant gave: to requests for tenants that are unknown, suspended,
unavailable, busy, or behind with their migrations.

A project replaces one by a view (`TENANCY["REFUSAL_VIEWS"]`) or by a template.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist, loader
from django.utils.module_loading import import_string

from .conf import conf
from .states import Status

__all__ = ["BUSY", "KINDS", "MIGRATING", "UNAVAILABLE", "UNKNOWN", "Refusal", "redirect", "refusal_of", "refuse"]

KEEP_REDIRECT_S = 300
"""How long clients may remember a redirect: a tenant's primary host may be another one tomorrow."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        kind: key of `REFUSAL_VIEWS`, and name of the template in `tenancy/`.
        status: of the response.
        text: the words if there is neither view nor template.
    """

    kind: str
    status: HTTPStatus
    text: str


UNKNOWN = Refusal("unknown", HTTPStatus.NOT_FOUND, "There is nothing at this address.")
UNAVAILABLE = Refusal(
    "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "This account is not available at the moment. Please try again."
)
BUSY = Refusal(
    "busy", HTTPStatus.SERVICE_UNAVAILABLE, "This account has too many requests at the moment. Please try again."
)
_SUSPENDED = Refusal("suspended", HTTPStatus.FORBIDDEN, "This account is suspended.")
MIGRATING = Refusal(
    "migrating", HTTPStatus.SERVICE_UNAVAILABLE, "This account is being brought up to date. Please try again."
)
KINDS = frozenset(each.kind for each in (UNKNOWN, UNAVAILABLE, BUSY, MIGRATING, _SUSPENDED))

_ACTIVE = Status.ACTIVE.value
_BY_STATUS = {
    Status.SUSPENDED: _SUSPENDED,
    Status.PROVISIONING: UNAVAILABLE,
    Status.MOVING: UNAVAILABLE,
    Status.FAILED: UNAVAILABLE,
    Status.DELETING: UNKNOWN,
    Status.GONE: UNKNOWN,
}


def refusal_of(status: str) -> Refusal | None:
    """How requests for a tenant of that status are refused; None if they are not."""
    return None if status == _ACTIVE else _BY_STATUS[Status(status)]


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponseBase:
    """Answer with the project's view for this case, or its template, or a line of text."""
    path = conf.refusal_views.get(refusal.kind)
    response = _of_template(request, refusal) if path is None else _of_view(request, path)
    if response.status_code == HTTPStatus.OK:
        response.status_code = refusal.status
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers.setdefault("Retry-After", str(conf.retry_after_s))
    return response


def redirect(request: HttpRequest, host: str) -> HttpResponseBase:
    """Redirect to the same page on another host, by the same scheme and port; what sends data sends it again."""
    _, port = split_domain_port(request.get_host())
    place = f"{host}:{port}" if port else host
    response = HttpResponsePermanentRedirect(f"{request.scheme}://{place}{request.get_full_path()}")
    if request.method not in ("GET", "HEAD"):
        response.status_code = HTTPStatus.PERMANENT_REDIRECT
    response.headers["Cache-Control"] = f"max-age={KEEP_REDIRECT_S}"
    return response


def _of_view(request: HttpRequest, path: str) -> HttpResponseBase:
    view: Any = import_string(path)
    response: Any = (async_to_sync(view) if iscoroutinefunction(view) else view)(request)
    if hasattr(response, "render"):
        # Django renders what its own handler got from a view; it has not come to that.
        response = response.render()
    answer: HttpResponseBase = response
    return answer


def _of_template(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    try:
        body: str = loader.render_to_string(
            f"tenancy/{refusal.kind}.html", {"status": refusal.status.value}, request=None
        )
    except TemplateDoesNotExist:
        if conf.debug and refusal is UNKNOWN:
            # As plain text: the path is whatever the client likes.
            return HttpResponse(_explained(request), status=refusal.status, content_type="text/plain; charset=utf-8")
        body = refusal.text
    return HttpResponse(body, status=refusal.status)


def _explained(request: HttpRequest) -> str:
    """What a developer needs to know of a request that was refused as unknown. It is nobody else's business."""
    public = conf.public_urlconf or "not set, so BASE_DOMAIN itself serves nothing"
    resolvers = "".join(f"  {path}\n" for path in conf.resolver_paths)
    return (
        f"{UNKNOWN.text}\n\n"
        "DEBUG is on, so here is how it was looked up.\n\n"
        f"Host: {request.get_host()}\n"
        f"Path: {request.path}\n"
        f"BASE_DOMAIN: {conf.base_domain or 'not set, so no sub-domain is a tenant'}\n"
        f"PUBLIC_URLCONF: {public}\n"
        f"RESOLVERS, none of which found a tenant that is served:\n{resolvers}\n"
        "`manage.py tenant list` shows the tenants, `manage.py tenant domain list SLUG` the hosts of one.\n"
    )

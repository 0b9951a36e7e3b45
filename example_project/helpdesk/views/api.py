"""The JSON endpoint for scripts: tickets and their counts, read with an API key.

A key travels as `Authorization: Bearer <secret>` and is looked up among the keys of the help desk that the
request is for.
"""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ..forms import TicketFilter
from ..models import ApiKey, Ticket, digest_of
from .tickets import narrowed

PAGE_SIZE = 50


def find_key(request: HttpRequest) -> ApiKey | None:
    """Return the key that the request shows, if this help desk has it."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        return None
    return ApiKey.objects.filter(digest=digest_of(secret.strip())).first()


@require_safe
def ticket_list(request: HttpRequest) -> JsonResponse:
    """Answer with one page of tickets, narrowed like the list that people see, and the counts of all."""
    key = getattr(request, "api_key", None) or find_key(request)
    if key is None:
        return refusal(401, "Send an API key of this help desk as 'Authorization: Bearer <key>'.")
    form = TicketFilter(request.GET)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    tickets = narrowed(Ticket.objects.for_list(), form)
    page = Paginator(tickets, PAGE_SIZE).get_page(request.GET.get("page"))
    return JsonResponse(
        {
            "counts": Ticket.objects.counts(),
            "page": page.number,
            "pages": page.paginator.num_pages,
            "found": page.paginator.count,
            "tickets": [as_json(ticket) for ticket in page],
        }
    )


def refusal(status: int, reason: str) -> JsonResponse:
    """Return an error in the endpoint's own format."""
    return JsonResponse({"error": reason}, status=status)


def as_json(ticket: Ticket) -> dict[str, Any]:
    """Return what the endpoint tells about a ticket."""
    return {
        "id": ticket.pk,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.get_priority_display().lower(),
        "customer": {"id": ticket.customer_id, "name": ticket.customer.name},
        "assignee": ticket.assignee.get_username() if ticket.assignee else None,
        "tags": [tag.name for tag in ticket.tags.all()],
        "created_at": ticket.created_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
    }

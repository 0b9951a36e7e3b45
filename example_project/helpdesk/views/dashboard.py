"""The first page after log-in: how much there is to do, for whom, and what happened last."""

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import Count, Max, Q
from django.views.generic import TemplateView

from ..models import Comment, Customer, Ticket

SHOWN = 6


class DashboardView(LoginRequiredMixin, TemplateView):
    """Counts, the busiest customers, urgent tickets and recent activity, in five queries."""

    template_name = "helpdesk/dashboard.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        waiting = ~Q(status=Ticket.Status.SOLVED)
        return super().get_context_data(
            counts=Ticket.objects.counts(),
            urgent=Ticket.objects.for_list().filter(waiting, priority=Ticket.Priority.URGENT)[:SHOWN],
            customers=busiest_customers(),
            activity=Comment.objects.select_related("ticket", "author").order_by("-created_at", "-pk")[:SHOWN],
            **kwargs,
        )


def busiest_customers() -> list[Customer]:
    """Return the customers with most unsolved tickets, each with its counts and its share of the most."""
    waiting = ~Q(tickets__status=Ticket.Status.SOLVED)
    customers = list(
        Customer.objects.annotate(
            waiting=Count("tickets", filter=waiting), total=Count("tickets"), last=Max("tickets__updated_at")
        )
        .filter(waiting__gt=0)
        .order_by("-waiting", "name")[:SHOWN]
    )
    for customer in customers:
        customer.share = round(100 * customer.waiting / customers[0].waiting)
    return customers

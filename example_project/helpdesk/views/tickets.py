"""Tickets: the list with its filter, one ticket with its talk, and the forms."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from ..forms import ReplyForm, TicketFilter, TicketForm, TicketListFilter
from ..models import Comment, Ticket


class TicketListView(LoginRequiredMixin, ListView):
    """All tickets, the latest change first, narrowed by words, status, tag and who has taken it."""

    queryset = Ticket.objects.for_list()
    paginate_by = 12
    template_name = "helpdesk/ticket_list.html"
    context_object_name = "tickets"

    def get_queryset(self) -> QuerySet[Ticket]:
        self.filter = TicketListFilter(self.request.GET)
        tickets = narrowed(super().get_queryset(), self.filter)
        if taken := self.filter.cleaned_data.get("taken"):
            tickets = tickets.filter(assignee=self.request.user if taken == "me" else None)
        return tickets

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kept = {name: value for name, value in self.request.GET.items() if value and name != "page"}
        return super().get_context_data(filter=self.filter, kept=kept, **kwargs)


class TicketDetailView(LoginRequiredMixin, DetailView):
    """One ticket with its comments. A POST adds one."""

    queryset = Ticket.objects.for_list().prefetch_related(
        Prefetch("comments", Comment.objects.select_related("author"))
    )
    template_name = "helpdesk/ticket_detail.html"
    context_object_name = "ticket"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", ReplyForm(initial={"status": self.object.status}))
        return super().get_context_data(**kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()
        form = ReplyForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        self.object.reply(request.user, form.cleaned_data["body"], form.cleaned_data["status"])
        messages.success(request, f"Reply added to #{self.object.pk}.")
        return HttpResponseRedirect(self.object.get_absolute_url())


class TicketCreateView(LoginRequiredMixin, CreateView):
    """A form for a new ticket; `?customer=` chooses its customer."""

    model = Ticket
    form_class = TicketForm
    template_name = "helpdesk/ticket_form.html"

    def get_initial(self) -> dict[str, Any]:
        return {**super().get_initial(), "customer": self.request.GET.get("customer")}

    def form_valid(self, form: ModelForm) -> HttpResponse:
        response = super().form_valid(form)
        messages.success(self.request, f"Ticket #{self.object.pk} created.")
        return response


class TicketUpdateView(LoginRequiredMixin, UpdateView):
    """The same form for a ticket that is there."""

    queryset = Ticket.objects.select_related("customer")
    form_class = TicketForm
    template_name = "helpdesk/ticket_form.html"

    def form_valid(self, form: ModelForm) -> HttpResponse:
        form.instance.updated_at = timezone.now()
        response = super().form_valid(form)
        messages.success(self.request, f"Ticket #{self.object.pk} saved.")
        return response


def narrowed(tickets: QuerySet[Ticket], form: TicketFilter) -> QuerySet[Ticket]:
    """Return the tickets that the filter keeps. A filter that makes no sense keeps none."""
    if not form.is_valid():
        return tickets.none()
    if words := form.cleaned_data["q"]:
        tickets = tickets.search(words)
    if status := form.cleaned_data["status"]:
        tickets = tickets.filter(status=status)
    if tag := form.cleaned_data["tag"]:
        tickets = tickets.filter(tags=tag)
    return tickets

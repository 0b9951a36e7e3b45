"""Customers: the list, one customer with the tickets, and the forms."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpResponse
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from ..forms import CustomerForm
from ..models import Customer, Ticket


class CustomerListView(LoginRequiredMixin, ListView):
    """All customers by name, with the number of their tickets; `?q=` narrows."""

    queryset = Customer.objects.annotate(
        total=Count("tickets"), waiting=Count("tickets", filter=~Q(tickets__status=Ticket.Status.SOLVED))
    ).order_by("name", "pk")
    paginate_by = 20
    template_name = "helpdesk/customer_list.html"
    context_object_name = "customers"

    def get_queryset(self) -> QuerySet[Customer]:
        customers = super().get_queryset()
        self.words = self.request.GET.get("q", "").strip()
        for word in self.words.split():
            customers = customers.filter(
                Q(name__icontains=word) | Q(email__icontains=word) | Q(company__icontains=word)
            )
        return customers

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kept = {"q": self.words} if self.words else {}
        return super().get_context_data(words=self.words, kept=kept, **kwargs)


class CustomerDetailView(LoginRequiredMixin, DetailView):
    """One customer, with all tickets of theirs."""

    model = Customer
    template_name = "helpdesk/customer_detail.html"
    context_object_name = "customer"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        tickets = self.object.tickets.select_related("assignee").prefetch_related("tags")
        return super().get_context_data(tickets=tickets, **kwargs)


class CustomerCreateView(LoginRequiredMixin, CreateView):
    """A form for a new customer."""

    model = Customer
    form_class = CustomerForm
    template_name = "helpdesk/customer_form.html"

    def form_valid(self, form: ModelForm) -> HttpResponse:
        messages.success(self.request, f"{form.instance.name} added.")
        return super().form_valid(form)


class CustomerUpdateView(LoginRequiredMixin, UpdateView):
    """The same form for a customer who is there."""

    model = Customer
    form_class = CustomerForm
    template_name = "helpdesk/customer_form.html"

    def form_valid(self, form: ModelForm) -> HttpResponse:
        messages.success(self.request, f"{form.instance.name} saved.")
        return super().form_valid(form)

"""The addresses of a help desk."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from .views import api, customers, dashboard, live, tickets

urlpatterns = [
    path("", dashboard.DashboardView.as_view(), name="dashboard"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("tickets/", tickets.TicketListView.as_view(), name="tickets"),
    path("tickets/new/", tickets.TicketCreateView.as_view(), name="ticket_new"),
    path("tickets/<int:pk>/", tickets.TicketDetailView.as_view(), name="ticket"),
    path("tickets/<int:pk>/edit/", tickets.TicketUpdateView.as_view(), name="ticket_edit"),
    path("customers/", customers.CustomerListView.as_view(), name="customers"),
    path("customers/new/", customers.CustomerCreateView.as_view(), name="customer_new"),
    path("customers/<int:pk>/", customers.CustomerDetailView.as_view(), name="customer"),
    path("customers/<int:pk>/edit/", customers.CustomerUpdateView.as_view(), name="customer_edit"),
    path("live/", live.changes, name="live"),
    path("api/tickets/", api.ticket_list, name="api_tickets"),
]

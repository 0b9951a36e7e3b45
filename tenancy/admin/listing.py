"""The columns of the list of tenants that are no columns of the registry: each is asked for once for the whole page."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from django_schemas.placement import Placement

from ..databases import ask_each
from ..events import last_events
from ..fleet import behind_at
from ..lifecycle.deletion import aside
from ..lifecycle.sizes import bytes_of
from ..models import AbstractTenant
from ..states import Status

__all__ = ["TenantChangeList", "place_of"]


class TenantChangeList(ChangeList):
    """A page of tenants, each with `size_bytes`, `backlog` and `last_event`; None where it is not known."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then what is shown beside it."""
        super().get_results(request)
        tenants: list[Any] = list(self.result_list)
        places = [place_of(tenant) for tenant in tenants]
        sizes, backlogs = ask_each(bytes_of, places), ask_each(behind_at, places)
        events = last_events(tenants)
        for tenant in tenants:
            tenant.size_bytes = sizes.get(place_of(tenant))
            tenant.backlog = backlogs.get(place_of(tenant))
            tenant.last_event = events.get(str(tenant.pk))
        self.result_list = tenants


def place_of(tenant: AbstractTenant) -> Placement:
    """Where a tenant's schema is; that of a deleted one was set aside."""
    return aside(tenant) if tenant.status == Status.DELETING else tenant.placement

"""The log of tenants' lives: who did what to which tenant, and when. It is written, never changed.

The database itself refuses to change or delete an event. Events outlive their tenants, so they refer to none.
"""

import getpass
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import models

from .conf import REGISTRY

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["TenantEvent", "acting", "actor", "last_events", "record"]

_actor: ContextVar[str] = ContextVar("tenancy_actor", default="")


class TenantEvent(models.Model):
    """Something that was done to a tenant.

    Attributes:
        at: when.
        tenant_id: the tenant's primary key, as text.
        slug: what it was called then.
        kind: what was done: `created`, `status`, `renamed`, `moved`, ...
        old, new: what it was before and behind: the status, for a change of status.
        actor: who did it; empty if nobody said. See `acting`.
        data: what else there is to know: the reason, the placement.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    tenant_id = models.CharField(max_length=64, db_index=True)
    slug = models.CharField(max_length=63)
    kind = models.CharField(max_length=30)
    old = models.CharField(max_length=200, blank=True, default="")
    new = models.CharField(max_length=200, blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        db_environment = REGISTRY
        ordering = ("pk",)
        verbose_name = "event"

    def __str__(self) -> str:
        changed = f": {self.old} -> {self.new}" if self.old or self.new else ""
        return f"{self.slug} {self.kind}{changed}"


@contextmanager
def acting(who: str) -> Iterator[None]:
    """Say who does what is done in a block: what events name as their actor."""
    token = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(token)


def actor() -> str:
    """Who acts now; empty if nobody said."""
    return _actor.get()


def shell_user() -> str:
    """The user of the operating system, as the actor of a command."""
    try:
        return f"{getpass.getuser()} ({sys.argv[0].rpartition('/')[2]})"
    except (KeyError, OSError):  # A container's user may have no name.
        return sys.argv[0].rpartition("/")[2]


def record(tenant: "AbstractTenant", kind: str, *, old: str = "", new: str = "", **data: Any) -> None:
    """Log an event, in the transaction that is open on the registry: it is logged if what it tells of is committed."""
    TenantEvent.objects.using(tenant.registry).create(
        tenant_id=str(tenant.pk),
        slug=tenant.slug,
        kind=kind,
        old=old,
        new=new,
        actor=actor(),
        data={key: value for key, value in data.items() if value},
    )


def last_events(tenants: Iterable["AbstractTenant"]) -> dict[str, TenantEvent]:
    """The last event of each tenant, by the tenant's key as text; one statement for all."""
    events = TenantEvent.objects.filter(tenant_id__in=[str(tenant.pk) for tenant in tenants])
    return {event.tenant_id: event for event in events.order_by("tenant_id", "-pk").distinct("tenant_id")}

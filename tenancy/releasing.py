"""Releasing: keeps a name that one tenant gave up from another until every process has heard of it.

A process may go on for `CACHE_TTL_S` with what it read of a tenant. If another had its schema's name, slug or host by
then, the process would serve the one with the other's rows. So whoever gives up a name logs that, and whoever takes one
waits: the events are asked, since they outlive the tenants.
"""

from datetime import timedelta
from time import sleep

from django.db import router
from django.db.models import Q
from django.utils import timezone

from .conf import conf
from .events import TenantEvent
from .models import AbstractTenant
from .registry import tenant_model

__all__ = ["names_of", "wait_until_free"]

_MARGIN = 1.2
"""Waited for in relation to the TTL: an event bears the time at which it was written, not at which it was committed."""


def names_of(tenant: AbstractTenant) -> list[str]:
    """What others could mistake another tenant for this one by: its placement and its slug."""
    return [str(tenant.placement), tenant.slug]


def wait_until_free(*names: str, but: AbstractTenant | None = None) -> None:
    """Wait until it is long enough ago that any of these names was released: a slug, a host or a placement as text.

    Args:
        names: which.
        but: a tenant that may have released them itself: nobody is mistaken for itself.
    """
    if conf.cache_ttl_s <= 0:
        return
    ttl = timedelta(seconds=conf.cache_ttl_s * _MARGIN)
    released = Q(kind="moved", old__in=names)
    for name in names:
        released |= Q(data__released__contains=[name])
    events = TenantEvent.objects.using(router.db_for_write(tenant_model())).filter(at__gt=timezone.now() - ttl)
    if but is not None:
        events = events.exclude(tenant_id=str(but.pk))
    last = events.filter(released).order_by("at").last()
    if last is not None:
        sleep(max((last.at + ttl - timezone.now()).total_seconds(), 0))

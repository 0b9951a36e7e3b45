"""The managers of the registry's models."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from .conf import conf
from .states import Status
from .visiting import visit

__all__ = ["TenantManager", "TenantQuerySet"]


class TenantQuerySet(models.QuerySet[Any]):
    """Tenants. `create()` also makes the schema: see `AbstractTenant.save`."""

    def active(self) -> "TenantQuerySet":
        """Those that are served."""
        return self.filter(status=Status.ACTIVE)

    def past_grace(self) -> "TenantQuerySet":
        """Those that were deleted more than `GRACE_DAYS` ago."""
        return self.filter(status=Status.DELETING, status_since__lt=timezone.now() - timedelta(days=conf.grace_days))

    def each(self, work: Callable[[Any], Any], *, threads: int = 1) -> Iterator[tuple[Any, Any]]:
        """Call a function for each tenant, with that tenant current: see `tenancy.visiting.visit`."""
        return visit(self, work, threads=threads)


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]  # made by a function
    """The manager of tenants."""

    def get_by_natural_key(self, slug: str) -> Any:
        """The tenant of that slug."""
        return self.get(slug=slug)

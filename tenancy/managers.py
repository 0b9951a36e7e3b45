"""The managers of the registry's models."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models
from django.utils import timezone

from .conf import conf
from .states import Status
from .visiting import visit

if TYPE_CHECKING:
    from .models import AbstractTenant

__all__ = ["TenantManager", "TenantQuerySet"]


_T = TypeVar("_T", bound="AbstractTenant")
_R = TypeVar("_R")


class TenantQuerySet(models.QuerySet[_T]):
    """Tenants. `create()` also makes the schema: see `AbstractTenant.save`."""

    def active(self) -> Self:
        """Those that are served."""
        return self.filter(status=Status.ACTIVE)

    def past_grace(self) -> Self:
        """Those that were deleted more than `GRACE_DAYS` ago."""
        return self.filter(status=Status.DELETING, status_since__lt=timezone.now() - timedelta(days=conf.grace_days))

    def each(self, work: Callable[[_T], _R], *, threads: int = 1) -> Iterator[tuple[_T, _R]]:
        """Call a function for each tenant, with that tenant current: see `tenancy.visiting.visit`."""
        return visit(self, work, threads=threads)


class TenantManager(models.Manager[_T]):
    """The manager of tenants: has the methods of their querysets."""

    def get_queryset(self) -> TenantQuerySet[_T]:
        """All tenants."""
        return TenantQuerySet(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]  # not in the stubs

    def active(self) -> TenantQuerySet[_T]:
        """Those that are served."""
        return self.get_queryset().active()

    def past_grace(self) -> TenantQuerySet[_T]:
        """Those that were deleted more than `GRACE_DAYS` ago."""
        return self.get_queryset().past_grace()

    def each(self, work: Callable[[_T], _R], *, threads: int = 1) -> Iterator[tuple[_T, _R]]:
        """Call a function for each tenant, with that tenant current: see `tenancy.visiting.visit`."""
        return self.get_queryset().each(work, threads=threads)

    def get_by_natural_key(self, slug: str) -> _T:
        """The tenant of that slug."""
        return self.get(slug=slug)

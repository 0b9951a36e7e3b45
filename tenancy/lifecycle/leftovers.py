"""Leftovers: what moves leave of a tenant at places that are no longer its own, until they are dropped.

A move leaves the old schema, renamed; one that was aborted while a database could not be reached leaves a copy. Only
schemas that bear the mark of the tenant count.
"""

from dataclasses import dataclass

from django_schemas.placement import Placement
from django_schemas.schemas import drop_schema, schemas_of

from ..conf import conf
from ..models import AbstractTenant
from ..ownership import schemas_owned
from ..work import working_on
from .sizes import Size, size_of

__all__ = ["Leftover", "aside_name", "copy_name", "drop_leftovers", "leftovers"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """A schema that is left of a tenant.

    Attributes:
        placement: where it is.
        size: how much it holds.
    """

    placement: Placement
    size: Size

    def __str__(self) -> str:
        return f"{self.placement} ({self.size})"


def aside_name(tenant: AbstractTenant, db: str) -> str:
    """A name for the tenant's schema to be set aside under, which none has in this database."""
    prefix = _prefix(tenant)
    numbers = [int(name.removeprefix(prefix)) for name in schemas_of(db, conf.environment) if name.startswith(prefix)]
    return f"{prefix}{max(numbers, default=0) + 1}"


def copy_name(tenant: AbstractTenant) -> str:
    """What a tenant's copy is called until it is its home."""
    return f"_moving_{tenant.pk.hex}"


def leftovers(tenant: AbstractTenant) -> list[Leftover]:
    """What is left of a tenant in any database."""
    return [Leftover(place, size_of(place)) for place in _places(tenant)]


def drop_leftovers(tenant: AbstractTenant, only: Placement | None = None) -> list[Placement]:
    """Drop what is left of a tenant in any database, or at one place; return what was dropped. It can't be undone."""
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        dropped = [place for place in _places(tenant) if only in (None, place)]
        for place in dropped:
            drop_schema(place.db, place.schema)
        return dropped


def _places(tenant: AbstractTenant) -> list[Placement]:
    if tenant.work is not None:
        # What looks left over may be what the work goes on with.
        return []
    ours = (_prefix(tenant), copy_name(tenant))
    return [place for place in schemas_owned(tenant) if place.schema.startswith(ours)]


def _prefix(tenant: AbstractTenant) -> str:
    return f"_moved_{tenant.pk.hex}_"

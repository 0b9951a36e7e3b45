"""Whose the work is that goes on here and now, in the words that logs, traces, errors and metrics tell it by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_schemas import active_placement

from ..context import current_tenant

if TYPE_CHECKING:
    from ..models import AbstractTenant

__all__ = ["NOBODY", "Identity", "current_identity", "identity_of"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose, and where; empty where that is nobody's and nowhere.

    Attributes:
        tenant: the slug.
        tenant_id: the primary key, which outlives renaming.
        db: alias of the database whose rows are worked on.
        schema: the schema there.
    """

    tenant: str = ""
    tenant_id: str = ""
    db: str = ""
    schema: str = ""


NOBODY = Identity()


def identity_of(tenant: "AbstractTenant") -> Identity:
    """A tenant, at home."""
    return Identity(tenant.slug, str(tenant.pk), tenant.db, tenant.schema_name)


def current_identity() -> Identity:
    """The current tenant, and the innermost active placement: another one than the tenant's, if somebody says so."""
    tenant, place = current_tenant(), active_placement()
    if place is None:
        return NOBODY
    slug, pk = (tenant.slug, str(tenant.pk)) if tenant is not None else ("", "")
    return Identity(slug, pk, place.db, place.schema)

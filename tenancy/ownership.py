"""Ownership: which schemas are a tenant's, by the mark that they bear. What bears none of its own is never touched."""

from django_schemas.environments import databases_of
from django_schemas.placement import Placement
from django_schemas.schemas import Mark, mark_of, schemas_of

from .conf import conf
from .models import AbstractTenant

__all__ = ["owned", "schemas_owned"]


def owned(tenant: AbstractTenant, place: Placement) -> bool:
    """Tell whether there is a schema at a place, and it is marked as this tenant's."""
    return mark_of(place.db, place.schema) == Mark(conf.environment, str(tenant.pk))


def schemas_owned(tenant: AbstractTenant) -> list[Placement]:
    """All schemas that are marked as this tenant's, in all databases, whatever they are called."""
    return [
        Placement(db, schema)
        for db in databases_of(conf.environment)
        for schema in schemas_of(db, conf.environment, str(tenant.pk))
    ]

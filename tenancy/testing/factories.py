"""A factory of tenants, for factory_boy. Factories of models in tenants' schemas are Django's, and need nothing more:
each makes its row in what is active where it is called.
"""

from typing import Any

from factory.declarations import Sequence
from factory.django import DjangoModelFactory

from ..conf import conf
from ..models import AbstractTenant
from .making import make_tenant

__all__ = ["TenantFactory"]


class TenantFactory(DjangoModelFactory[AbstractTenant]):
    """Makes tenants with their schemas: see `make_tenant`."""

    name = Sequence(lambda number: f"Tenant {number}")  # type: ignore[no-untyped-call]

    class Meta:
        model = conf.tenant_model

    @classmethod
    def _create(cls, model_class: type[AbstractTenant], *args: Any, **kwargs: Any) -> AbstractTenant:
        return make_tenant(*args, **kwargs)

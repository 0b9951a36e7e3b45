"""The registry, as django-tenants has one written."""

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Client(TenantMixin):
    """A customer."""

    name = models.CharField(max_length=100)


class Domain(DomainMixin):
    """A host of a customer's."""

"""The registry, as django-pgschemas has one written."""

from django.db import models
from django_pgschemas.models import TenantModel
from django_pgschemas.routing.models import DomainModel


class Client(TenantModel):
    """A customer."""

    name = models.CharField(max_length=100)


class Domain(DomainModel):
    """A host of a customer's."""

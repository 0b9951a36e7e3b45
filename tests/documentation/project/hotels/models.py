"""An app that knows nothing of tenants."""

from django.db import models


class Hotel(models.Model):
    name = models.CharField(max_length=100)

"""An app that knows nothing of tenants."""

from django.db import models


class Question(models.Model):
    name = models.CharField(max_length=100)

"""Models of an adopted app."""

from django.db import models


class Sign(models.Model):
    id = models.AutoField(primary_key=True)
    text = models.CharField(max_length=20)

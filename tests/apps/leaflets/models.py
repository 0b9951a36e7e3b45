"""Models of no environment."""

from django.db import models


class Leaflet(models.Model):
    title = models.CharField(max_length=20)

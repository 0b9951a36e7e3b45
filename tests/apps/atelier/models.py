"""One model of today; the others are known to the migrations alone."""

from django.db import models


class Box(models.Model):
    width = models.IntegerField()
    height = models.IntegerField(db_default=2)

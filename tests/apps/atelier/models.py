"""What the migrations refer to, and one model of today; the others are known to the migrations alone."""

from django.db import models


class Described:
    """A mixin that is no model."""

    def described(self) -> str:
        return str(self)


def sharp() -> bool:
    """The default of a field."""
    return True


class Box(models.Model):
    width = models.IntegerField()
    height = models.IntegerField(db_default=2)

"""Models of the single-schema environment."""

from django_schemas import models


class Plan(models.Model):
    name = models.CharField(max_length=20)
    witness = models.CharField(max_length=80)

    class Meta:
        db_environment = "registry"

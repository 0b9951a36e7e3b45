"""What the platform sells, and to whom."""

from django_schemas import models


class Plan(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        db_environment = "registry"


class Account(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        db_environment = "registry"

    def __str__(self):
        return self.name

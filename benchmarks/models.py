"""The same two models twice: in an environment, and as plain Django has them."""

from django.db import models

from django_schemas import models as schema_models


class Shelf(schema_models.Model):
    """In an environment."""

    name = models.CharField(max_length=40)

    class Meta:
        db_environment = "bench"


class Book(schema_models.Model):
    """In an environment."""

    title = models.CharField(max_length=40)
    pages = models.IntegerField(default=0)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)

    class Meta:
        db_environment = "bench"


class PlainShelf(models.Model):
    """As plain Django has it."""

    name = models.CharField(max_length=40)


class PlainBook(models.Model):
    """As plain Django has it."""

    title = models.CharField(max_length=40)
    pages = models.IntegerField(default=0)
    shelf = models.ForeignKey(PlainShelf, on_delete=models.CASCADE)

"""Two models of an app that knows nothing of schemas; each row names the schema that it was written for."""

from django.db import models


class Shelf(models.Model):
    name = models.CharField(max_length=20)
    witness = models.CharField(max_length=20)


class Book(models.Model):
    title = models.CharField(max_length=40)
    edition = models.IntegerField(default=1)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="books")
    witness = models.CharField(max_length=20)

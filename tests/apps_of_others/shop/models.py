"""A shop for books: models of the project's own, made with other people's fields, managers and bases."""

from mptt.models import MPTTModel, TreeForeignKey
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager

from django_schemas import models


class TenantModel(models.Model):
    class Meta:
        abstract = True
        db_environment = "tenant"


class Author(TenantModel):
    name = models.CharField(max_length=100)


class Book(TenantModel):
    title = models.CharField(max_length=100)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    cover = models.ImageField(upload_to="covers", blank=True)
    tags = TaggableManager(blank=True)
    # The model that it makes is not made of this one, and must be told where it lives.
    history = HistoricalRecords(bases=[TenantModel])


class Shelf(MPTTModel, TenantModel):
    name = models.CharField(max_length=100)
    parent = TreeForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")

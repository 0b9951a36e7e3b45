"""The shop in the admin: import and export, history, object permissions."""

from django.contrib import admin
from guardian.admin import GuardedModelAdmin
from import_export.admin import ImportExportModelAdmin
from import_export.resources import ModelResource
from mptt.admin import MPTTModelAdmin
from simple_history.admin import SimpleHistoryAdmin

from .models import Author, Book, Shelf


class BookResource(ModelResource):
    class Meta:
        model = Book
        fields = ("id", "title", "author")


@admin.register(Book)
class BookAdmin(ImportExportModelAdmin, SimpleHistoryAdmin):
    resource_classes = [BookResource]


@admin.register(Author)
class AuthorAdmin(GuardedModelAdmin):
    pass


admin.site.register(Shelf, MPTTModelAdmin)

"""django-taggit."""

import pytest
from taggit.models import Tag

from django_schemas.exceptions import SchemaMismatch
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Book


def test_tags(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Tags are added, found, counted and compared among the tenant's own."""
    for tenant in (acme, globex, initech):
        with tenant_context(tenant):
            book = Book.objects.get(pk=1)
            assert set(book.tags.names()) == {"red", tenant.slug}
            book.tags.add("rare")
            assert [each.title for each in Book.objects.filter(tags__name__in=["rare"])] == [f"{tenant.slug} 0"]
            assert {each.title for each in book.tags.similar_objects()} == {f"{tenant.slug} 1", f"{tenant.slug} 2"}
            assert Book.tags.most_common()[0].num_times == 3
            book.tags.set(["rare"])
            assert list(Book.objects.get(pk=1).tags.names()) == ["rare"]
            book.tags.clear()
            assert sorted(Tag.objects.values_list("slug", flat=True)) == sorted(["red", "rare", tenant.slug])


def test_prefetch(acme: Tenant, globex: Tenant, initech: Tenant, django_assert_num_queries: object) -> None:
    """Tags of many objects are fetched at once."""
    for tenant in (acme, globex, initech):
        with tenant_context(tenant):
            books = list(Book.objects.prefetch_related("tags").order_by("pk"))
            assert [sorted(tag.name for tag in book.tags.all()) for book in books] == 3 * [sorted(["red", tenant.slug])]


def test_mixed(acme: Tenant, globex: Tenant) -> None:
    """A tag of one tenant is not put on another's book."""
    with tenant_context(globex):
        theirs = Tag.objects.get(name="red")
    with tenant_context(acme):
        with pytest.raises(SchemaMismatch):
            Book.objects.get(pk=1).tags.add(theirs)
        with pytest.raises(SchemaMismatch):
            list(Book.objects.filter(tags__in=[theirs]))

"""django-simple-history."""

from django.db import connections
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Book

from .conftest import Browser


def test_history(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Changes are kept where the object is, and can be looked up, compared and undone there."""
    for tenant in (acme, initech):
        with tenant_context(tenant):
            book = Book.objects.get(pk=1)
            before = timezone.now()
            book.title = "second"
            book.save()
            old, new = book.history.earliest(), book.history.latest()
            assert (old.title, new.title, new.prev_record) == (f"{tenant.slug} 0", "second", old)
            (change,) = new.diff_against(old).changes
            assert (change.field, change.old, change.new) == ("title", f"{tenant.slug} 0", "second")
            assert book.history.as_of(before).title == f"{tenant.slug} 0"
            assert Book.history.as_of(before).get(pk=1).title == f"{tenant.slug} 0"
            assert Book.history.filter(id=1).count() == 2
            old.instance.save()
            assert Book.objects.get(pk=1).title == f"{tenant.slug} 0"
            book.delete()
            assert Book.history.filter(id=1).latest().history_type == "-"
    with tenant_context(globex):
        assert [record.title for record in Book.objects.get(pk=1).history.all()] == ["globex 0"]


def test_bulk(acme: Tenant, globex: Tenant) -> None:
    """Many at once have their history too."""
    with tenant_context(acme):
        books = list(Book.objects.order_by("pk"))
        for book in books:
            book.title = "bulk"
        bulk_update_with_history(books, Book, ["title"])
        assert Book.history.filter(title="bulk").count() == 3
    with tenant_context(globex):
        assert not Book.history.filter(title="bulk").exists()


def test_admin(acme: Tenant, globex: Tenant) -> None:
    """Who changed it is the tenant's own user; a version that is looked at in the admin can be made the present one."""
    browser = Browser(acme, root=True)
    fields = {"title": "by root", "author": "1", "tags": "red"}
    assert browser.post("/admin/shop/book/1/change/", fields).status_code == 302
    with tenant_context(acme):
        record = Book.history.filter(id=1).latest()
        assert (record.title, record.history_user.email) == ("by root", "root@acme.saas.test")
        first = Book.history.filter(id=1).earliest().pk
    assert browser.get("/admin/shop/book/1/history/").status_code == 200
    assert browser.get(f"/admin/shop/book/1/history/{first}/").status_code == 200
    fields["title"] = "acme 0"
    assert browser.post(f"/admin/shop/book/1/history/{first}/", fields).status_code == 302
    with tenant_context(acme):
        assert Book.objects.get(pk=1).title == "acme 0"
    with tenant_context(globex):
        assert Book.history.filter(id=1).count() == 1


def test_nothing_in_public() -> None:
    """No table of it is outside of the schemas."""
    for db in ("default", "shard2"):
        with connections[db].cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'shop%'")
            assert cursor.fetchall() == []

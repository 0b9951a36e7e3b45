"""django-import-export, in the admin."""

import re
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Author, Book

from .conftest import Browser


def imported(tenant: Tenant, text: str) -> Any:
    """Upload a file and confirm what it would do; the answer, which has errors if it can't be."""
    browser = Browser(tenant, root=True)
    file = SimpleUploadedFile("books.csv", text.encode())
    page = browser.post(
        "/admin/shop/book/import/",
        {"import_file": file, "format": "0", **{f"bookresource_{name}": "on" for name in ("id", "title", "author")}},
    )
    assert page.status_code == 200
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.content.decode()))
    if "import_file_name" not in fields:
        return page
    return browser.post("/admin/shop/book/process_import/", fields, follow=True)


def test_import(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A file changes and makes books of the tenant; new ones have the next keys."""
    for tenant in (acme, initech):
        response = imported(tenant, "id,title,author\n1,changed,1\n9,nine,1\n")
        assert b"Import finished" in response.content
        with tenant_context(tenant):
            titles = dict(Book.objects.values_list("pk", "title"))
            assert titles == {1: "changed", 2: f"{tenant.slug} 1", 3: f"{tenant.slug} 2", 9: "nine"}
            assert Book.objects.create(title="next", author_id=1).pk == 10
    with tenant_context(globex):
        assert dict(Book.objects.values_list("pk", "title")) == {n + 1: f"globex {n}" for n in range(3)}


def test_import_of_a_neighbours_key(acme: Tenant, globex: Tenant) -> None:
    """A row that refers to what only a neighbour has is an error."""
    with tenant_context(globex):
        Author.objects.create(pk=77, name="theirs")
    assert b"Author matching query does not exist" in imported(acme, "id,title,author\n,x,77\n").content
    with tenant_context(acme):
        assert not Book.objects.filter(title="x").exists()


def test_export(acme: Tenant, globex: Tenant) -> None:
    """What is exported is the tenant's own."""
    fields = {f"bookresource_{name}": "on" for name in ("id", "title", "author")}
    for tenant in (acme, globex):
        asked = {"format": "0", "resource": "", **fields}
        response = Browser(tenant, root=True).post("/admin/shop/book/export/", asked)
        lines = response.content.decode().split()
        assert len(lines) == 7, lines  # A head, and three titles of two words.
        assert {line.split(",")[-1] for line in lines[1::2]} == {tenant.slug}

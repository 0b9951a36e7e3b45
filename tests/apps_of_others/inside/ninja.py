"""django-ninja."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient
from rest_framework.authtoken.models import Token

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Author, Book

from .conftest import Browser


class HostedAsyncClient(AsyncClient):
    """Django's, which would send its own host beside the one it is given."""

    async def request(self, **request: Any) -> Any:
        request["headers"] = [pair for pair in request["headers"] if pair != (b"host", b"testserver")]
        return await super().request(**request)


def key(tenant: Tenant) -> dict[str, str]:
    with tenant_context(tenant):
        token, _ = Token.objects.get_or_create(user=User.objects.get(username="ada"))
    return {"authorization": f"Bearer {token.key}"}


def test_auth(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A key lets in where it is, and nowhere else."""
    for tenant in (acme, globex, initech):
        found = Browser(tenant).get("/api/books", headers=key(acme)).status_code
        assert found == (200 if tenant == acme else 401)


def test_life_of_a_book(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Lists, makes, changes and deletes what is the tenant's."""
    with tenant_context(globex):
        Author.objects.create(pk=77, name="theirs")
    for tenant in (acme, initech):
        browser, headers = Browser(tenant), key(tenant)
        listed = browser.get("/api/books", headers=headers).json()
        assert [book["title"] for book in listed["items"]] == [f"{tenant.slug} {n}" for n in range(3)]

        def send(method: str, path: str, browser: Any = browser, headers: Any = headers, **body: Any) -> Any:
            return getattr(browser, method)(path, body, content_type="application/json", headers=headers)

        assert send("post", "/api/books", title="x", author=77).status_code == 404
        made = send("post", "/api/books", title="new", author=1)
        assert made.status_code == 201
        assert send("put", f"/api/books/{made.json()['id']}", title="newer", author=1).json()["title"] == "newer"
        assert send("delete", "/api/books/1").status_code == 204
    with tenant_context(globex):
        assert list(Book.objects.order_by("pk").values_list("title", flat=True)) == [f"globex {n}" for n in range(3)]


def test_async(acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asynchronous operations have the tenant too. Django lets no asynchronous view be atomic."""
    monkeypatch.setitem(connections.settings["shard2"], "ATOMIC_REQUESTS", False)
    for tenant in (acme, globex):
        headers = {"host": f"{tenant.slug}.saas.test", **key(tenant)}
        response = async_to_sync(HostedAsyncClient().get)("/api/later/1", headers=headers)
        assert response.json()["title"] == f"{tenant.slug} 0"

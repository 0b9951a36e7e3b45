"""Django REST framework, its tokens and django-filter."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from tenancy import tenant_context
from tenancy.models import Tenant
from tests.apps_of_others.shop.models import Author, Book


def client(tenant: Tenant, token: str | None = None) -> APIClient:
    made = APIClient(headers={"host": f"{tenant.slug}.saas.test"})
    if token is not None:
        made.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return made


def logged_in(tenant: Tenant) -> APIClient:
    response = client(tenant).post("/rest/token/", {"username": "ada", "password": tenant.slug})
    assert response.status_code == 200, response.content
    return client(tenant, response.json()["token"])


def test_token(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """A token is got with the tenant's own password, and lets nobody in elsewhere."""
    assert client(acme).post("/rest/token/", {"username": "ada", "password": "globex"}).status_code == 400
    token = client(acme).post("/rest/token/", {"username": "ada", "password": "acme"}).json()["token"]
    found = [client(tenant, token).get("/rest/books/").status_code for tenant in (acme, globex, initech)]
    assert found == [200, 401, 401]
    with tenant_context(acme):
        assert Token.objects.get().user.username == "ada"
    with tenant_context(globex):
        assert not Token.objects.exists()


def test_pages(acme: Tenant, globex: Tenant, initech: Tenant) -> None:
    """Lists are of the tenant's own, page by page."""
    for tenant in (acme, globex, initech):
        browser = logged_in(tenant)
        first = browser.get("/rest/books/").json()
        assert (first["count"], first["next"]) == (3, f"http://{tenant.slug}.saas.test/rest/books/?page=2")
        rest = browser.get(first["next"]).json()["results"]
        assert [book["title"] for book in first["results"] + rest] == [f"{tenant.slug} {n}" for n in range(3)]
        assert rest[0]["written_by"]["name"] == tenant.slug


def test_life_of_a_book(acme: Tenant, globex: Tenant) -> None:
    """A book is made, changed and deleted in one tenant; the one with the same key elsewhere is not touched."""
    browser = logged_in(acme)
    made = browser.post("/rest/books/", {"title": "new", "author": 1})
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert logged_in(globex).get(f"/rest/books/{pk}/").status_code == 404
    assert browser.patch("/rest/books/1/", {"title": "changed"}).json()["title"] == "changed"
    assert browser.delete("/rest/books/2/").status_code == 204
    with tenant_context(globex):
        assert list(Book.objects.order_by("pk").values_list("title", flat=True)) == [f"globex {n}" for n in range(3)]
    with tenant_context(acme):
        assert list(Book.objects.order_by("pk").values_list("title", flat=True)) == ["changed", "acme 2", "new"]


def test_key_of_another_tenant(acme: Tenant, globex: Tenant) -> None:
    """A related object that only a neighbour has is not there, for serializers and filters alike."""
    with tenant_context(globex):
        theirs = Author.objects.create(pk=77, name="theirs")
    browser = logged_in(acme)
    refused = browser.post("/rest/books/", {"title": "x", "author": theirs.pk})
    assert (refused.status_code, refused.json()) == (400, {"author": ['Invalid pk "77" - object does not exist.']})
    assert browser.get("/rest/books/?author=77").status_code == 400
    assert logged_in(globex).get("/rest/books/?author=77").json()["count"] == 0
    assert logged_in(globex).get("/rest/books/?author=1&title=globex 1").json()["count"] == 1


def test_throttle(acme: Tenant, globex: Tenant) -> None:
    """Who asks too often in one tenant is told so there; the user with the same key elsewhere is not."""

    def asked(browser: Any) -> int:
        return int(browser.get("/rest/books/few/").status_code)

    browser, other = logged_in(acme), logged_in(globex)
    assert [asked(browser) for _ in range(3)] == [200, 200, 429]
    assert asked(other) == 200


def test_browsable_page(acme: Tenant, globex: Tenant) -> None:
    """The page for people offers the tenant's own authors."""
    with tenant_context(globex):
        Author.objects.create(name="only theirs")
    page = logged_in(acme).get("/rest/books/", headers={"accept": "text/html"}).content.decode()
    assert "Author object (1)" in page
    assert "Author object (2)" not in page


def test_users_are_the_tenants(acme: Tenant, globex: Tenant) -> None:
    """`request.user` is the tenant's own."""
    with tenant_context(acme):
        User.objects.filter(username="ada").update(is_active=False)
    assert client(acme).post("/rest/token/", {"username": "ada", "password": "acme"}).status_code == 400
    assert client(globex).post("/rest/token/", {"username": "ada", "password": "globex"}).status_code == 200

"""Statements bear a comment that tells whose they are: as the server sees them, whatever they are and hold."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from psycopg2.sql import SQL

from django_schemas import confining
from django_schemas.making import blueprint_of
from tenancy import tenant_context
from tenancy.contrib import comments
from tenancy.models import Tenant
from tests.apps.garage.models import Tag
from tests.integration.tenancy.test_middleware import aget, get

SEEN = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"


def seen(sql: str = SEEN, params: Any = None) -> str:
    """A statement as the server saw it."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return str(cursor.fetchone()[0])


def comment_in(text: str) -> str:
    return text.rpartition("\n")[2] if "/*" in text else ""


@pytest.fixture
def commented(settings: Any, committed: None) -> Iterator[None]:
    """New connections, with comments."""
    settings.TENANCY = {**settings.TENANCY, "SQL_COMMENTS": True}
    connections.close_all()
    yield
    connections.close_all()


def test_off_by_default(tenants: Any, committed: None) -> None:
    """Who does not ask for them has none."""
    with tenant_context(tenants["hooli"]):
        assert "/*" not in seen()


def test_each_statement_is_its_tenants(tenants: Any, commented: None) -> None:
    """The server sees the tenant behind each statement, and nothing where none is current."""
    found = []
    for slug in ("hooli", "vehement"):
        with tenant_context(tenants[slug]):
            found.append(comment_in(seen()))
    assert [*found, comment_in(seen())] == ["/*tenant='hooli'*/", "/*tenant='vehement'*/", ""]


@pytest.mark.parametrize("nasty", ["*/ SELECT 1; /*", "a/", "'\"\\", "100%", "%s", "%(a)s", "é €", "--", "\n;"])
def test_text_that_means_something(tenants: Any, commented: None, monkeypatch: Any, nasty: str) -> None:
    """What a route holds neither ends the comment nor is taken for a parameter, with parameters and without."""
    at_route(monkeypatch, nasty)
    with tenant_context(tenants["hooli"]):
        found = [
            seen(),
            seen(f"{SEEN} AND '%s' <> ''"),
            seen(f"{SEEN} AND %s = 'x%%'", ["x%"]),
            seen(f"{SEEN} AND %(a)s = 1;", {"a": 1}),
            seen(f"{SEEN} AND 'a%%' <> ''", []),
            seen(f"{SEEN} -- the end"),
        ]
    comment = f"/*route='{comments.quote(nasty, safe='')}',tenant='hooli'*/"
    assert [comment_in(text) for text in found] == [comment] * 6
    assert unquote(comment.split("'")[1]) == nasty


def at_route(monkeypatch: Any, route: str) -> None:
    request = HttpRequest()
    request.resolver_match = type("Match", (), {"route": route})()  # type: ignore[assignment]
    monkeypatch.setattr(comments, "_request", type("Var", (), {"get": lambda self: request})())


def test_all_ways_to_send(tenants: Any, commented: None, monkeypatch: Any) -> None:
    """Rows come and go as ever: in bulk, many at once, by a cursor of the server's, composed by the driver."""
    at_route(monkeypatch, "cars/<int:pk>/100%/")
    with tenant_context(tenants["hooli"]):
        made = Tag.objects.bulk_create(Tag(name=f"{number}%", witness="hooli") for number in range(3))
        assert {tag.name for tag in Tag.objects.iterator(chunk_size=1)} >= {"0%", "1%", "2%"}
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE hooli.garage_tag SET name = %s WHERE id = %s", [("a%", tag.pk) for tag in made])
            if not hasattr(connection.Database, "AsyncConnection"):
                cursor.execute(SQL("SELECT 1"))
        assert Tag.objects.filter(name="a%").delete()[0] == 3
    with tenant_context(tenants["vehement"]):
        assert set(Tag.objects.values_list("witness", flat=True)) == {"vehement"}


def test_confined(tenants: Any, settings: Any, commented: None) -> None:
    """Behind what limits a statement, the comment still ends it."""
    settings.TENANCY = {**settings.TENANCY, "STATEMENT_TIMEOUT_S": 5}
    connections.close_all()
    with tenant_context(tenants["hooli"]), confining.statement_timeout(5):
        text = seen(f"{SEEN} AND %s = 1", [1])
    assert text.startswith("SET LOCAL statement_timeout") or connection.Database.__name__ == "psycopg"
    assert comment_in(text) == "/*tenant='hooli'*/"


def nested(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return HttpResponse(comment_in(seen(f"{SEEN} AND %s = 1", [1])))


async def anested(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    from asgiref.sync import sync_to_async

    return HttpResponse(await sync_to_async(lambda: comment_in(seen()))())


urlpatterns = [path("cars/<int:pk>/", nested), path("acars/<int:pk>/", anested), re_path(r"^(?P<a>100%|x)/$", nested)]


@pytest.mark.parametrize("ask", [get, aget])
@pytest.mark.parametrize("slug", ["hooli", "vehement"])
def test_routes(tenants: Any, commented: None, settings: Any, ask: Callable[..., Any], slug: str) -> None:
    """With the middleware a statement names the route of its request, not what was typed; and nothing behind it."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:1], "tenancy.contrib.comments.note_route"]
    for url, route in (("/cars/7/", "cars/<int:pk>/"), ("/acars/8/", "acars/<int:pk>/"), ("/x/", "^(?P<a>100%|x)/$")):
        said = ask(f"{slug}.saas.test", url).content.decode()
        assert said == f"/*route='{comments.quote(route, safe='')}',tenant='{slug}'*/"
    assert comment_in(seen()) == ""


def test_not_taken_down(tenants: Any, commented: None, monkeypatch: Any) -> None:
    """A blueprint that is made while a tenant is current holds no comment: it is sent for others."""
    with tenant_context(tenants["hooli"]):
        parts = blueprint_of("default", "tenant", renew=True) or ()
    assert any(part.sql for part in parts)
    assert not any("hooli" in part.sql or "/*tenant" in part.sql for part in parts)


@pytest.mark.django_db(databases="__all__")
def test_wrappers_see_none(hooli: Tenant, monkeypatch: Any) -> None:
    """Who looks at statements, or changes them, on their way sees them as they were written."""
    monkeypatch.setattr(connections["default"], "remark", comments.comment)
    texts = []

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        texts.append(sql)
        return execute(f"{sql} AND true", *rest)

    with tenant_context(hooli), connection.execute_wrapper(look):
        text = seen()
    assert texts == [SEEN]
    assert text == f"{SEEN} AND true\n/*tenant='hooli'*/"

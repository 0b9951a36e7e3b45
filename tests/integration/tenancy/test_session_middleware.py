"""Tenants on one host, told apart by the path: each has a session of its own, beside the public host's."""

from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import get_script_prefix, set_script_prefix

from tenancy import tenant_context
from tenancy.models import Tenant
from tenancy.sessions.middleware import SessionMiddleware

pytestmark = pytest.mark.django_db(databases="__all__")


def note(request: HttpRequest) -> HttpResponse:
    session: SessionBase = request.session
    if "note" in request.GET:
        session["note"] = request.GET["note"]
    return HttpResponse(session.get("note", "nothing"))


class Browser:
    """Keeps cookies by their paths, and sends those of longer paths first, as browsers do."""

    def __init__(self) -> None:
        self.jar: dict[str, str] = {}

    def get(self, path: str, tenant: Tenant | None, **data: str) -> str:
        sent = sorted((kept for kept in self.jar if path.startswith(kept)), key=len, reverse=True)
        cookies = "; ".join(f"sessionid={self.jar[kept]}" for kept in sent)
        request = RequestFactory().get(path, data, headers={"cookie": cookies} if cookies else {})
        before = get_script_prefix()
        set_script_prefix(path)
        try:
            if tenant is None:
                response = SessionMiddleware(note)(request)
            else:
                with tenant_context(tenant):
                    response = SessionMiddleware(note)(request)
        finally:
            set_script_prefix(before)
        for cookie in response.cookies.values():
            if cookie["max-age"] == 0:
                self.jar.pop(cookie["path"], None)
            else:
                self.jar[cookie["path"]] = cookie.value
        return response.content.decode()  # type: ignore[no-any-return,union-attr]


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
def test_each_path_has_its_own(hooli: Tenant, vehement: Tenant, settings: Any, engine: str) -> None:
    """Two tenants and the public site in one browser: each finds what it kept, and none ends another's."""
    settings.SESSION_ENGINE = f"tenancy.sessions.{engine}"
    browser = Browser()
    places: list[tuple[str, Tenant | None]] = [("/", None), ("/t/hooli/", hooli), ("/t/vehement/", vehement)]
    assert [browser.get(path, tenant) for path, tenant in places] == ["nothing"] * 3
    for path, tenant in places:
        browser.get(path, tenant, note=path)
    for _ in range(2):
        assert [browser.get(path, tenant) for path, tenant in places] == ["/", "/t/hooli/", "/t/vehement/"]
    assert sorted(browser.jar) == ["/", "/t/hooli/", "/t/vehement/"]


def test_a_cookie_at_the_root_is_not_taken_for_the_tenants(hooli: Tenant, settings: Any) -> None:
    """A tenant that has no session yet gets none from the public site."""
    settings.SESSION_ENGINE = "tenancy.sessions.db"
    browser = Browser()
    browser.get("/", None, note="public")
    assert (browser.get("/t/hooli/", hooli), browser.get("/", None)) == ("nothing", "public")

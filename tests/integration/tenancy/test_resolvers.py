"""The ways a request may name its tenant, and the answers that no view of the tenant gives."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import get_script_prefix

from tenancy.links import tenant_url
from tenancy.models import Domain, Tenant
from tenancy.refusals import redirect
from tenancy.resolvers import Resolution
from tests.integration.tenancy.test_middleware import HostedAsyncClient, aget, expected, get

pytestmark = pytest.mark.django_db(databases="__all__")

WORD = "tests.apps.site.views.knows_the_word"


def with_resolvers(settings: Any, *resolvers: Any, **changes: Any) -> None:
    settings.TENANCY = {**settings.TENANCY, "RESOLVERS": list(resolvers), **changes}


class TestPath:
    @pytest.fixture(autouse=True)
    def _by_path(self, tenants: Any, settings: Any) -> Any:
        with_resolvers(settings, "tenancy.resolvers.SubdomainResolver", "tenancy.resolvers.PathResolver")
        yield
        assert get_script_prefix() == "/"

    @pytest.mark.parametrize("ask", [get, aget])
    @pytest.mark.parametrize("slug", ["hooli", "umbrella"])
    def test_path_names_the_tenant(self, ask: Any, slug: str) -> None:
        """It is served as on its sub-domain, in sync and async stacks."""
        assert ask("saas.test", f"/t/{slug}/").json() == expected(slug)
        assert ask("saas.test", f"/t/{slug}/async/").json() == expected(slug)
        assert ask("saas.test", f"/t/{slug}").json() == expected(slug)
        assert ask("saas.test", f"/t/{slug}/broken/").status_code == 500

    @pytest.mark.parametrize("ask", [get, aget])
    def test_urls_have_the_prefix_and_views_do_not_see_it(self, ask: Any) -> None:
        """reverse() and {% url %} lead back to the tenant; files and other hosts are as without it."""
        for _ in range(2):
            assert ask("saas.test", "/t/hooli/where/").content.decode() == (
                "/t/hooli/where/ /static/a.css /t/hooli/where/ /where/ hooli http://hooli.saas.test/x/"
            )
            assert ask("hooli.saas.test", "/where/").content.decode() == (
                "/where/ /static/a.css /where/ /where/ hooli http://hooli.saas.test/x/"
            )
            assert ask("saas.test", "/where/").content.decode() == "/where/ /static/a.css /where/ /where/  "

    def test_redirects_and_streams_have_it_too(self) -> None:
        """So do redirects, and what a streaming body makes after the middleware returned."""
        assert get("saas.test", "/t/hooli/elsewhere/").headers["Location"] == "/t/hooli/where/"
        response = get("saas.test", "/t/hooli/slow-where/")
        body = iter(response)
        for _ in range(3):
            assert (next(body), get_script_prefix()) == (b"/t/hooli/where/\n", "/")
        response.close()

    def test_put_back_behind_the_request(self) -> None:
        """Middleware around ours finds the request as it was."""
        request = Client().get("/t/hooli/where/", headers={"host": "saas.test"}).wsgi_request
        assert (request.path_info, request.path) == ("/t/hooli/where/", "/t/hooli/where/")

    def test_any_host_where_there_is_no_base_domain(self, settings: Any) -> None:
        """Without one no host names a tenant, so a path may on each."""
        settings.TENANCY = {**settings.TENANCY, "BASE_DOMAIN": ""}
        assert get("elsewhere.test", "/t/hooli/").json() == expected("hooli")

    @pytest.mark.parametrize(
        ("host", "path"),
        [
            ("saas.test", "/t/nobody/"),
            ("saas.test", "/t/Hooli/"),
            ("saas.test", "/t/"),
            ("saas.test", "/t/hooli%2Fx/../"),
            ("saas.test", "/t/%00/"),
            ("saas.test", "/t/hooli/t/umbrella/"),
            ("hooli.saas.test", "/t/umbrella/"),
            ("elsewhere.test", "/t/hooli/"),
        ],
    )
    def test_nobodys_path(self, host: str, path: str) -> None:
        """A path that names nobody, or names one on another's host, is 404."""
        assert get(host, path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ({"X-Claim": "umbrella", "X-Word": "sesame"}, "umbrella"),
        ({"X-Claim": "umbrella", "X-Word": "guess"}, None),
        ({"X-Claim": "nobody", "X-Word": "sesame"}, None),
        ({"X-Claim": "", "X-Word": "sesame"}, None),
        ({"X-Word": "sesame"}, None),
    ],
)
def test_claim(tenants: Any, settings: Any, headers: dict[str, str], slug: str | None) -> None:
    """A claim names the tenant of a request that may name it; else 404, the same for all reasons."""
    options = {"verifier": WORD, "claim": "tests.apps.site.views.claimed"}
    with_resolvers(settings, ("tenancy.resolvers.ClaimResolver", options))
    response = get("api.saas.example", **headers)
    if slug is None:
        assert (response.status_code, response.content) == (404, b"There is nothing at this address.")
    else:
        assert response.json() == expected(slug)


@pytest.mark.parametrize(
    ("named", "word", "slug"),
    [("umbrella", "sesame", "umbrella"), ("umbrella", "guess", None), ("nobody", "sesame", None), (7, "sesame", None)],
)
@pytest.mark.parametrize("client_class", [Client, HostedAsyncClient])
def test_session(tenants: Any, settings: Any, client_class: Any, named: Any, word: str, slug: str | None) -> None:
    """A session names the tenant of a request that may name it; else 404."""
    session = "django.contrib.sessions.middleware.SessionMiddleware"
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [session, *(each for each in settings.MIDDLEWARE if each != session)]
    with_resolvers(settings, ("tenancy.resolvers.SessionResolver", {"verifier": WORD}))
    store = SessionStore()
    store["tenant"] = named
    store.save()
    client = client_class()
    client.cookies[settings.SESSION_COOKIE_NAME] = store.session_key
    got = async_to_sync(client.get) if client_class is HostedAsyncClient else client.get
    response: Any = got("/", headers={"host": "app.saas.example", "X-Word": word})
    assert response.status_code == 404 if slug is None else response.json() == expected(slug)


class ByPort:
    """A project's own resolver."""

    def __init__(self, port: str) -> None:
        self.port = port

    def __call__(self, request: HttpRequest) -> Tenant | Resolution | None:
        return Tenant.objects.get(slug="vehement") if request.get_host().endswith(f":{self.port}") else None


@pytest.mark.parametrize("ask", [get, aget])
def test_own_resolver(tenants: Any, settings: Any, ask: Any) -> None:
    """A project's resolver takes its turn in the chain, and may ask the database, in async stacks too."""
    with_resolvers(settings, (f"{__name__}.ByPort", {"port": "81"}), "tenancy.resolvers.SubdomainResolver")
    assert ask("any.test:81").json() == expected("vehement")
    assert ask("hooli.saas.test:82").json() == expected("hooli")
    assert ask("any.test:82").status_code == 404


class TestRedirects:
    @pytest.fixture(autouse=True)
    def _domains(self, hooli: Tenant) -> None:
        Domain.objects.create(host="new.example", tenant=hooli, is_primary=True)
        Domain.objects.create(host="old.example", tenant=hooli, redirects=True)

    @pytest.mark.parametrize("ask", [get, aget])
    def test_to_the_primary(self, ask: Any) -> None:
        """Same path, query, scheme and port; no view runs; clients don't remember it for ever."""
        response = ask("old.example:8000", "/broken/?a=1&b=%2F")
        assert (response.status_code, response.headers["Location"]) == (
            301,
            "http://new.example:8000/broken/?a=1&b=%2F",
        )
        assert response.headers["Cache-Control"] == "max-age=300"
        assert get("new.example").json() == expected("hooli")

    def test_keeps_the_method(self) -> None:
        """What sends data is redirected by 308, so that it sends them again."""
        response = Client().post("/broken/", headers={"host": "old.example"}, secure=True)
        assert (response.status_code, response.headers["Location"]) == (308, "https://new.example/broken/")

    def test_path_names_no_other_host(self) -> None:
        """A path that looks like a host stays a path."""
        request = RequestFactory().get("/", headers={"host": "old.example"})
        request.path = "//evil.test/"
        assert redirect(request, "new.example").headers["Location"] == "http://new.example//evil.test/"

    def test_without_a_primary_it_serves(self, hooli: Tenant) -> None:
        """A host that should redirect serves, while there is no verified host to redirect to."""
        Domain.objects.filter(host="new.example").update(verified_at=None)
        assert get("old.example").json() == expected("hooli")

    def test_suspended_tenant_is_not_redirected(self, hooli: Tenant) -> None:
        """Why it is refused is said at once."""
        Tenant.objects.filter(pk=hooli.pk).update(status="suspended")
        assert get("old.example").status_code == 403

    def test_links_use_the_primary(self, hooli: Tenant, vehement: Tenant) -> None:
        """A link leads to the primary host, or to the sub-domain."""
        assert tenant_url(hooli, "/x/?a=1") == "https://new.example/x/?a=1"
        assert tenant_url(vehement) == "https://vehement.saas.test/"


@pytest.mark.parametrize("ask", [get, aget])
def test_refusal_views(hooli: Tenant, vehement: Tenant, settings: Any, ask: Any) -> None:
    """A project's view answers, sync or async, for no tenant, with the status unless it has one of its own."""
    views = {"unknown": "arefused", "suspended": "refused", "unavailable": "refused"}
    views = {kind: f"tests.apps.site.views.{view}" for kind, view in views.items()}
    settings.TENANCY = {**settings.TENANCY, "REFUSAL_VIEWS": views}
    Tenant.objects.filter(pk=hooli.pk).update(status="suspended")
    Tenant.objects.filter(pk=vehement.pk).update(status="moving")
    answers = [ask(f"{slug}.saas.test", "/broken/") for slug in ("nobody", "hooli", "vehement")]
    found = [(each.status_code, each.content, each.headers.get("Retry-After")) for each in answers]
    assert found == [(410, b"Sorry.", None), (403, b"Sorry, None.", None), (503, b"Sorry, None.", "5")]


@pytest.mark.parametrize("ask", [get, aget])
def test_decorators(tenants: Any, ask: Any) -> None:
    """Views of tenants, and of the public host, are 404 elsewhere: functions, coroutines and classes."""
    for host, codes in (("hooli.saas.test", [200, 200, 404, 404]), ("saas.test", [404, 404, 200, 200])):
        paths = ("/tenants/", "/atenants/", "/public/", "/apublic/")
        assert [ask(host, path).status_code for path in paths] == codes

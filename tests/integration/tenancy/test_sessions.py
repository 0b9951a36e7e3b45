"""A session is one tenant's, whatever engine keeps it: over real requests, of a tenant and of one that is like a clone.

The users of all have the same key and the same password hash, so nothing else tells them apart.
"""

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.backends import file
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from django_schemas import bind
from tenancy import tenant_context
from tenancy.models import Tenant
from tests.integration.tenancy.test_middleware import HostedAsyncClient

pytestmark = pytest.mark.django_db(databases="__all__")

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
HOOLI, VEHEMENT, PUBLIC = "hooli.saas.test", "vehement.saas.test", "saas.test"
NOBODY = {"user": None, "kept": {}, "said": []}


@pytest.fixture(autouse=True)
def _places(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where engines keep sessions is this test's own."""
    settings.ROOT_URLCONF = "tests.apps.site.urls_credentials"
    settings.TENANCY = {**settings.TENANCY, "PUBLIC_URLCONF": "tests.apps.site.urls_credentials"}
    settings.LOGIN_REDIRECT_URL = settings.LOGOUT_REDIRECT_URL = "/untouched/"
    monkeypatch.setattr(file.SessionStore, "_storage_path", str(tmp_path), raising=False)
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.SESSION_ENGINE = f"tenancy.sessions.{request.param}"
    return str(request.param)


@pytest.fixture
def users(hooli: Tenant, vehement: Tenant) -> None:
    """Ada in hooli, Eve in vehement, Pat at the platform: one key, one hash."""
    password = make_password("sesame")
    for db, schema, name in (
        ("default", "hooli", "ada"),
        ("default", "vehement", "eve"),
        ("default", "registry", "pat"),
    ):
        bind(User, db, schema).objects.create(pk=7, username=name, password=password)


def ask(client: Client, host: str, path: str = "/who/") -> Any:
    return client.get(path, headers={"host": host})


def who(client: Client, host: str) -> Any:
    return ask(client, host).json()


def login(host: str, name: str) -> Client:
    client = Client()
    response = client.post("/login/", {"username": name, "password": "sesame"}, headers={"host": host})
    assert response.status_code == 302
    return client


def with_cookie(client: Client) -> Client:
    """Another client that sends what this one got."""
    other = Client()
    other.cookies["sessionid"] = client.cookies["sessionid"].value
    return other


def of_sessions(statements: list[str]) -> list[str]:
    """Those that are not of the registry, which is asked anew in a transaction."""
    return [sql for sql in statements if "tenancy_" not in sql]


ADA = {"user": "ada", "kept": {}, "said": []}


@pytest.mark.parametrize("path", ["/who/", "/untouched/", "/overwrite/", "/drop/"])
@pytest.mark.parametrize("elsewhere", [VEHEMENT, PUBLIC])
def test_nobody_elsewhere(users: None, engine: str, elsewhere: str, path: str) -> None:
    """A cookie of hooli is nobody's in the clone and on the public host; whatever is done with it there, it goes on
    to be Ada's in hooli.
    """
    ada = login(HOOLI, "ada")
    assert who(with_cookie(ada), elsewhere) == NOBODY
    ask(with_cookie(ada), elsewhere, path)
    assert who(ada, HOOLI) == ADA


def test_public_session(users: None, engine: str) -> None:
    """A session of the public host is the platform's there, and nobody's in a tenant."""
    pat = login(PUBLIC, "pat")
    assert who(pat, PUBLIC)["user"] == "pat"
    assert who(with_cookie(pat), HOOLI) == NOBODY
    assert who(pat, PUBLIC)["user"] == "pat"


def test_logging_in_with_a_foreign_cookie(users: None, engine: str) -> None:
    """Eve logs in with Ada's cookie in her jar, and out again: Ada is not touched by it."""
    ada = login(HOOLI, "ada")
    eve = with_cookie(ada)
    eve.post("/login/", {"username": "eve", "password": "sesame"}, headers={"host": VEHEMENT})
    assert who(eve, VEHEMENT)["user"] == "eve"
    assert eve.cookies["sessionid"].value != ada.cookies["sessionid"].value
    eve.post("/logout/", headers={"host": VEHEMENT})
    assert (who(eve, VEHEMENT), who(ada, HOOLI)) == (NOBODY, ADA)


def test_life_of_a_session(users: None, engine: str) -> None:
    """Logging in cycles the key, what was kept before it stays, and logging out ends it for all who have the cookie."""
    client = Client()
    ask(client, HOOLI, "/overwrite/")
    before = client.cookies["sessionid"].value
    client.post("/login/", {"username": "ada", "password": "sesame"}, headers={"host": HOOLI})
    assert who(client, HOOLI) == {**ADA, "kept": {"note": "hooli"}}
    assert client.cookies["sessionid"].value != before
    old = Client()
    old.cookies["sessionid"] = before
    assert who(old, HOOLI)["user"] is None
    copy = with_cookie(client)
    client.post("/logout/", headers={"host": HOOLI})
    assert who(client, HOOLI) == NOBODY
    if engine != "signed_cookies":  # Which are valid until they expire, as with Django's.
        assert who(copy, HOOLI) == NOBODY


def test_a_visit_that_touches_no_session(users: None, engine: str, sent: Any) -> None:
    """No query and no Vary, as with Django's engines."""
    ada = login(HOOLI, "ada")
    ask(ada, HOOLI, "/untouched/")
    with sent() as statements:
        response = ask(ada, HOOLI, "/untouched/")
    assert (of_sessions(statements), response.headers.get("Vary"), dict(response.cookies)) == ([], None, {})


def test_foreign_key_is_not_looked_up(users: None, engine: str, sent: Any) -> None:
    """A cookie of another tenant costs no query; the browser is told to forget it at this host."""
    ada = login(HOOLI, "ada")
    eve = with_cookie(ada)
    ask(eve, VEHEMENT, "/untouched/")
    eve = with_cookie(ada)
    with sent() as statements:
        response = ask(eve, VEHEMENT)
    assert of_sessions(statements) == []
    assert response.cookies["sessionid"]["max-age"] == 0


@pytest.mark.parametrize("engine_path", [f"django.contrib.sessions.backends.{name}" for name in ENGINES[1:]])
def test_why_djangos_engines_are_refused(users: None, settings: Any, engine_path: str) -> None:
    """With Django's own Ada's cookie is Eve's in the clone: what W020 is for."""
    settings.SESSION_ENGINE = engine_path
    assert who(login(HOOLI, "ada"), VEHEMENT)["user"] == "eve"


def test_async(users: None, engine: str) -> None:
    """The same holds for asynchronous views."""

    async def story() -> list[Any]:
        client = HostedAsyncClient()
        await client.post("/alogin/", {"username": "ada", "password": "sesame"}, headers={"host": HOOLI})
        cookie = client.cookies["sessionid"].value
        seen = []
        for host in (HOOLI, VEHEMENT, PUBLIC, HOOLI):
            client.cookies["sessionid"] = cookie
            seen.append((await client.get("/awho/", headers={"host": host})).json()["user"])
        return seen

    assert async_to_sync(story)() == ["ada", None, None, "ada"]


def test_messages(users: None, engine: str, settings: Any) -> None:
    """A message in a session is shown once, where it was said."""
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
    client = Client()
    ask(client, HOOLI, "/say/")
    assert who(with_cookie(client), VEHEMENT)["said"] == []
    assert [who(client, HOOLI)["said"], who(client, HOOLI)["said"]] == [["said in hooli"], []]


@pytest.mark.parametrize("name", ["CookieStorage", "FallbackStorage"])
def test_messages_in_cookies(users: None, settings: Any, name: str) -> None:
    """A message in a cookie is shown where it was said; with Django's storage it is shown in any tenant."""
    for package, shown in (("django.contrib.messages.storage.fallback", ["said in hooli"]), ("tenancy.messages", [])):
        settings.MESSAGE_STORAGE = f"{package}.{name if package == 'tenancy.messages' else 'FallbackStorage'}"
        client, other = Client(), Client()
        ask(client, HOOLI, "/say/")
        other.cookies["messages"] = client.cookies["messages"].value
        assert who(other, VEHEMENT)["said"] == shown
        assert who(client, HOOLI)["said"] == ["said in hooli"]


def test_keys_are_signed_with_older_secrets_too(users: None, engine: str, settings: Any) -> None:
    """A session outlives a change of SECRET_KEY if the old one is a fallback, and does not if it is not."""
    settings.SECRET_KEY, old = "older", settings.SECRET_KEY
    ada = login(HOOLI, "ada")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = old, ["older"]
    assert who(with_cookie(ada), HOOLI)["user"] == "ada"
    assert who(with_cookie(ada), VEHEMENT)["user"] is None
    settings.SECRET_KEY_FALLBACKS = []
    assert who(with_cookie(ada), HOOLI)["user"] is None


@pytest.mark.parametrize("key", ["", "x", "x" * 40, "x" * 4000, "é" * 40, "../../etc/passwd" * 3, "a:b:c", "'; --"])
def test_odd_keys(users: None, engine: str, key: str) -> None:
    """What is no key at all is nobody's."""
    client = Client()
    client.cookies["sessionid"] = key
    assert who(client, HOOLI) == NOBODY


def test_expiry(users: None, engine: str, settings: Any, hooli: Tenant) -> None:
    """A session that is too old is nobody's."""
    settings.SESSION_COOKIE_AGE = 3600
    ada = login(HOOLI, "ada")
    assert ada.cookies["sessionid"]["max-age"] == 3600
    settings.SESSION_COOKIE_AGE = -1
    if engine in ("db", "cached_db"):
        bind(Session, "default", "hooli").objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    cache.clear()
    assert who(with_cookie(ada), HOOLI) == NOBODY


@pytest.mark.parametrize("name", ["db", "cached_db"])
def test_stored_sessions_are_djangos(users: None, settings: Any, name: str) -> None:
    """What is stored is what Django's own engine stores: its model reads it."""
    settings.SESSION_ENGINE = f"tenancy.sessions.{name}"
    ada = login(HOOLI, "ada")
    (stored,) = bind(Session, "default", "hooli").objects.all()
    assert (stored.session_key, stored.get_decoded()["_auth_user_id"]) == (ada.cookies["sessionid"].value, "7")


@pytest.mark.parametrize("name", ["db", "cached_db"])
def test_clearsessions(users: None, settings: Any, name: str) -> None:
    """In a tenant it deletes that tenant's expired sessions, and leaves those that are not, and the neighbour's."""
    settings.SESSION_ENGINE = f"tenancy.sessions.{name}"
    rows = {schema: bind(Session, "default", schema).objects for schema in ("hooli", "vehement")}
    for host, user in ((HOOLI, "ada"), (VEHEMENT, "eve")):
        login(host, user)
    for objects in rows.values():
        objects.update(expire_date=timezone.now() - timedelta(days=1))
    login(HOOLI, "ada")
    call_command("tenant", "run", "hooli", "--", "clearsessions", stdout=StringIO())
    assert {schema: objects.count() for schema, objects in rows.items()} == {"hooli": 1, "vehement": 1}
    call_command("clearsessions")
    assert {schema: objects.count() for schema, objects in rows.items()} == {"hooli": 1, "vehement": 1}


def test_clearsessions_with_files(users: None, settings: Any, tmp_path: Path) -> None:
    """All tenants' files lie in one folder: those that are expired go, whoever clears them, and no other."""
    settings.SESSION_ENGINE = "tenancy.sessions.file"
    store = import_module("tenancy.sessions.file").SessionStore
    for slug in ("hooli", "vehement"):
        with tenant_context(Tenant.objects.get(slug=slug)):
            for expiry in (-1, 3600):
                session = store()
                session["note"] = slug
                session.set_expiry(timezone.now() + timedelta(seconds=expiry))
                session.save()
    call_command("tenant", "run", "hooli", "--", "clearsessions", stdout=StringIO())
    assert len(list(tmp_path.iterdir())) == 2
    call_command("clearsessions")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["cache", "signed_cookies"])
def test_clearsessions_has_nothing_to_do(users: None, settings: Any, name: str) -> None:
    """Where sessions expire by themselves it says nothing."""
    settings.SESSION_ENGINE = f"tenancy.sessions.{name}"
    call_command("clearsessions")


def test_renamed_tenant_keeps_its_sessions(users: None, engine: str, hooli: Tenant) -> None:
    """Sessions are of the tenant's id, not of its name."""
    ada = login(HOOLI, "ada")
    Tenant.objects.filter(pk=hooli.pk).update(slug="hooli2")
    assert who(ada, "hooli2.saas.test") == ADA

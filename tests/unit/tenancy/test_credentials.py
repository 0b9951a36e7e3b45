"""The checks of what would let a credential cross from one tenant to another."""

from typing import Any

import pytest

from tenancy.checks import check_tenancy

DJANGOS = "django.contrib.sessions.backends"
TENANTS, SESSIONS = "tenancy.middleware.TenantMiddleware", "django.contrib.sessions.middleware.SessionMiddleware"


def found() -> list[str]:
    return [each.id for each in check_tenancy(None)]


@pytest.mark.parametrize("name", ["cache", "cached_db", "file", "signed_cookies"])
def test_shared_engine(settings: Any, name: str) -> None:
    """Each engine of Django's that all tenants share is warned of, and what its hint says to write is not."""
    settings.SESSION_ENGINE = f"{DJANGOS}.{name}"
    (warning,) = check_tenancy(None)
    assert (warning.id, warning.hint) == ("tenancy.W020", f'Write SESSION_ENGINE = "tenancy.sessions.{name}".')
    settings.SESSION_ENGINE = f"tenancy.sessions.{name}"
    assert found() == []


def test_shared_table(settings: Any) -> None:
    """Sessions in the database are warned of where tenants have no table of sessions of their own."""
    environments = settings.DATABASE_ENVIRONMENTS
    apps = [app for app in environments["tenant"]["APPS"] if app != "django.contrib.sessions"]
    settings.DATABASE_ENVIRONMENTS = {**environments, "tenant": {**environments["tenant"], "APPS": apps}}
    assert found() == ["tenancy.W020"]
    settings.SESSION_ENGINE = "tenancy.sessions.db"
    assert found() == []


@pytest.mark.parametrize("middleware", [[TENANTS], [SESSIONS], []])
def test_no_sessions_or_no_tenants(settings: Any, middleware: list[str]) -> None:
    """A project that serves no tenants, or has no sessions, may have any engine."""
    settings.MIDDLEWARE = middleware
    settings.SESSION_ENGINE = f"{DJANGOS}.cache"
    assert found() == ([] if TENANTS in middleware else ["tenancy.W040"])


@pytest.mark.parametrize("sessions", [SESSIONS, "tenancy.sessions.middleware.SessionMiddleware"])
def test_sessions_before_tenants(settings: Any, sessions: str) -> None:
    """Sessions that are looked up before their tenant is known are an error."""
    settings.MIDDLEWARE = [sessions, TENANTS]
    assert found() == ["tenancy.E021"]


@pytest.mark.parametrize("name", ["CSRF_COOKIE_DOMAIN", "LANGUAGE_COOKIE_DOMAIN", "SESSION_COOKIE_DOMAIN"])
@pytest.mark.parametrize(
    ("domain", "shared"),
    [(".saas.test", True), ("saas.test", True), (".test", True), ("customers.test", True), (".acme.saas.test", False)],
)
def test_cookie_domain(settings: Any, name: str, domain: str, shared: bool) -> None:
    """The domain of a cookie must not hold several tenants' hosts."""
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
    setattr(settings, name, domain)
    assert found() == (["tenancy.W022"] if shared else [])


@pytest.mark.parametrize("storage", ["cookie.CookieStorage", "fallback.FallbackStorage"])
def test_messages(settings: Any, storage: str) -> None:
    """Messages in a cookie that goes to several tenants must be signed for one."""
    settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
    assert found() == []
    settings.SESSION_COOKIE_DOMAIN = ".saas.test"
    assert found() == ["tenancy.W022", "tenancy.W023"]
    settings.MESSAGE_STORAGE = f"tenancy.messages.{storage.partition('.')[2]}"
    assert found() == ["tenancy.W022"]


@pytest.mark.parametrize(
    ("origin", "warned"),
    [
        ("https://*.saas.test", True),
        ("https://*.saas.test:8443", True),
        ("https://*.test", True),
        ("https://saas.test", False),
        ("https://*.partner.test", False),
        ("https://*.notsaas.test", False),
    ],
)
def test_trusted_origins(settings: Any, origin: str, warned: bool) -> None:
    """Tenants' pages must not be trusted by other tenants."""
    settings.CSRF_TRUSTED_ORIGINS = [origin]
    assert found() == (["tenancy.W024"] if warned else [])


def test_tokens(settings: Any) -> None:
    """Each view with Django's own generator is named, wherever it stands; one with ours is not."""
    settings.ROOT_URLCONF = "tests.apps.site.urls_default_tokens"
    warnings = check_tenancy(None)
    assert [each.id for each in warnings] == ["tenancy.W025"] * 2
    assert [each.msg.partition(" makes")[0] for each in warnings] == [
        "The view 'password_reset' at 'accounts/password_reset/'",
        "The view 'password_reset_confirm' at 'accounts/reset/<uidb64>/<token>/'",
    ]
    settings.ROOT_URLCONF = "tests.apps.site.urls_credentials"
    assert found() == []
    # Ours come first, and are what is served; Django's are still there, behind them.
    settings.ROOT_URLCONF = "tests.apps.site.urls_hidden_tokens"
    assert found() == []


@pytest.mark.parametrize("name", ["EMAIL_CONFIRMATION_HMAC", "PASSWORD_RESET_TOKEN_GENERATOR"])
def test_account_links(settings: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Links of allauth's are warned of where it is installed, unless they are one tenant's, or are codes."""
    assert found() == []
    monkeypatch.setattr("tenancy.conf.apps.is_installed", lambda app: app == "allauth.account")
    settings.ACCOUNT_EMAIL_CONFIRMATION_HMAC = False
    settings.ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "tenancy.tokens.TenantTokenGenerator"
    assert found() == []
    delattr(settings, f"ACCOUNT_{name}")
    (warning,) = check_tenancy(None)
    assert (warning.id, f"Write ACCOUNT_{name} = " in str(warning.hint)) == ("tenancy.W028", True)
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = settings.ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
    assert found() == []


def test_account_generators(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that is not ours is warned of; one that can't be loaded, allauth itself tells of."""
    monkeypatch.setattr("tenancy.conf.apps.is_installed", lambda app: app == "allauth.account")
    settings.ACCOUNT_EMAIL_CONFIRMATION_HMAC = False
    settings.ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"
    assert found() == ["tenancy.W028"]
    settings.ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "tests.nowhere.Generator"
    assert found() == []


def test_urls_that_do_not_load(settings: Any) -> None:
    """Django's own checks tell of those."""
    settings.ROOT_URLCONF = "tests.apps.site.nowhere"
    assert found() == []


def test_what_clones_get(settings: Any) -> None:
    """A list of a project's own that lacks what is in it by default is warned of; one with that is not."""
    settings.TENANCY = {**settings.TENANCY, "CLONE_EXCLUDE": ["garage.Badge"]}
    (warning,) = check_tenancy(None)
    assert (warning.id, "lacks sessions.Session," in warning.msg) == ("tenancy.W026", True)
    settings.TENANCY = {**settings.TENANCY, "CLONE_EXCLUDE": ["garage.Badge", "sessions.Session"]}
    assert found() == []


LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
APART = {**LOCAL, "KEY_FUNCTION": "tenancy.contrib.cache.make_key"}


@pytest.mark.parametrize(
    ("caches", "warned"),
    [
        ({"default": LOCAL}, 1),
        ({"default": APART}, 0),
        ({"default": APART, "shared": LOCAL}, 0),
        ({"default": APART, "template_fragments": LOCAL, "pages": LOCAL}, 2),
        ({"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}, 0),
    ],
)
def test_caches(settings: Any, caches: Any, warned: int) -> None:
    """Caches that are used without being named have keys of each tenant; others may be shared on purpose."""
    settings.CACHE_MIDDLEWARE_ALIAS = "pages"
    settings.CACHES = caches
    assert found() == ["tenancy.W027"] * warned
    settings.MIDDLEWARE = []
    assert found() == ["tenancy.W040"]

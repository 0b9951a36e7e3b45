"""System checks of what would let a credential of one tenant be taken for another's: a session, a cookie, a token; or
what is cached.

Called by `checks`. Most look at projects that have `TenantMiddleware`: others may serve no tenants at all.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from django_schemas.environments import environments
from django_schemas.exceptions import ConfigError
from django_schemas.membership import environments_of_app

from .conf import conf
from .contrib.jwt import PACKAGES, is_bound
from .middleware import TenantMiddleware
from .tokens import TenantTokenGenerator

__all__ = ["CHECKS", "position"]

_ENGINES = "django.contrib.sessions.backends."
_MESSAGES = {
    "django.contrib.messages.storage.cookie.CookieStorage": "tenancy.messages.CookieStorage",
    "django.contrib.messages.storage.fallback.FallbackStorage": "tenancy.messages.FallbackStorage",
}


def shared_sessions() -> Iterator[CheckMessage]:
    """W020: sessions of all tenants are in one store, where a session of one is found by another."""
    if position(TenantMiddleware) is None or position(SessionMiddleware) is None or _sessions_choose():
        return
    engine = conf.session_engine
    name = engine.removeprefix(_ENGINES)
    kept_apart = name == "db" and _environment() in (None, *environments_of_app("sessions"))
    if engine.startswith(_ENGINES) and not kept_apart:
        yield Warning(
            f"SESSION_ENGINE is {engine!r}, which keeps the sessions of all tenants in one place: who is logged in "
            "to one tenant may be taken for a user of another.",
            hint=f'Write SESSION_ENGINE = "tenancy.sessions.{name}".',
            id="tenancy.W020",
        )


def sessions_without_tenant() -> Iterator[CheckMessage]:
    """E021: sessions are looked up before it is known whose they are."""
    tenants, sessions = position(TenantMiddleware), position(SessionMiddleware)
    if tenants is not None and sessions is not None and sessions < tenants and not _sessions_choose():
        yield Error(
            f"MIDDLEWARE has {conf.middleware[sessions]!r} before {conf.middleware[tenants]!r}, so no session is of a "
            "tenant.",
            hint="Put TenantMiddleware first.",
            id="tenancy.E021",
        )


def shared_cookies() -> Iterator[CheckMessage]:
    """W022: a cookie of one tenant is sent to others."""
    for name, domain in _shared_domains():
        yield Warning(
            f"{name} is {domain!r}: browsers send the cookie of one tenant to the others.",
            hint="Leave it out: without it a cookie is sent to the host that set it, and to no other.",
            id="tenancy.W022",
        )


def shared_messages() -> Iterator[CheckMessage]:
    """W023: messages of one tenant are shown by others."""
    if "SESSION_COOKIE_DOMAIN" in dict(_shared_domains()) and conf.message_storage in _MESSAGES:
        yield Warning(
            f"MESSAGE_STORAGE is {conf.message_storage!r}, whose cookie goes to SESSION_COOKIE_DOMAIN: messages of one "
            "tenant are shown by others.",
            hint=f'Write MESSAGE_STORAGE = "{_MESSAGES[conf.message_storage]}".',
            id="tenancy.W023",
        )


def trusted_tenants() -> Iterator[CheckMessage]:
    """W024: pages of one tenant may send forms to others."""
    for origin in conf.csrf_trusted_origins if position(TenantMiddleware) is not None else ():
        host = origin.partition("://")[2].partition(":")[0]
        if host.startswith("*.") and (not conf.base_domain or f".{conf.base_domain}".endswith(host[1:])):
            yield Warning(
                f"CSRF_TRUSTED_ORIGINS holds {origin!r}: pages of one tenant may send forms to the others, in the name "
                "of whoever looks at them.",
                hint="Name the hosts that need it; a form of a tenant's own host is trusted without being named.",
                id="tenancy.W024",
            )


def shared_tokens() -> Iterator[CheckMessage]:
    """W025: a token for resetting a password is valid in other tenants, where the user has the same hash: in clones."""
    if position(TenantMiddleware) is None:
        return
    try:
        # Of two at one path the first is the one that is served.
        patterns = dict(reversed(list(_patterns(get_resolver(conf.root_urlconf).url_patterns))))
    except (ImportError, ImproperlyConfigured):
        return  # Django's own checks say so.
    for path, pattern in reversed(patterns.items()):
        if type(_token_generator(pattern.callback)) is PasswordResetTokenGenerator:
            yield Warning(
                f"The view {pattern.name or pattern.lookup_str!r} at {path!r} makes or takes tokens that are valid in "
                "each tenant in which the user has the same password hash, as in a clone.",
                hint="Give it token_generator=tenancy.tokens.token_generator, or include tenancy.auth_urls.",
                id="tenancy.W025",
            )


def shared_account_links() -> Iterator[CheckMessage]:
    """W028: a link of allauth's that confirms an address, or resets a password, is valid in other tenants."""
    links = conf.account_links
    if links is None or position(TenantMiddleware) is None:
        return
    if links["ACCOUNT_EMAIL_CONFIRMATION_HMAC"] and not links["ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED"]:
        yield Warning(
            "allauth signs the key of an e-mail address for all tenants: a link that confirms one confirms that with "
            "the same key in each other tenant, whosever it is.",
            hint="Write ACCOUNT_EMAIL_CONFIRMATION_HMAC = False.",
            id="tenancy.W028",
        )
    generator = links["ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR"]
    if not links["ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED"] and not _is_of_tenant(generator):
        yield Warning(
            "allauth's links that reset a password are valid in each tenant in which the user has the same password "
            "hash, as in a clone.",
            hint='Write ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "tenancy.tokens.TenantTokenGenerator".',
            id="tenancy.W028",
        )


def shared_web_tokens() -> Iterator[CheckMessage]:
    """W029: JSON web tokens are valid in each tenant, for whoever has the same primary key there."""
    if position(TenantMiddleware) is None:
        return
    try:
        get_resolver(conf.root_urlconf).url_patterns  # noqa: B018  # Views that make or take tokens load their package.
    except (ImportError, ImproperlyConfigured):
        return  # Django's own checks say so.
    for package in PACKAGES:
        if not is_bound(package):
            yield Warning(
                f"Tokens of {package} are valid in all tenants: whoever has one of one tenant is let into each other "
                "one, as the user with the same primary key.",
                hint='Add "tenancy.contrib.jwt.TenantTokens" to INSTALLED_APPS.',
                id="tenancy.W029",
            )


def shared_caches() -> Iterator[CheckMessage]:
    """W027: a cache that Django and projects use without naming one has the same keys for all tenants."""
    if position(TenantMiddleware) is None:
        return
    for alias, options in conf.caches_in_use.items():
        if "KEY_FUNCTION" not in options and options.get("BACKEND") != "django.core.cache.backends.dummy.DummyCache":
            yield Warning(
                f"CACHES[{alias!r}] has no KEY_FUNCTION: what is cached for one tenant is given to the others.",
                hint='Write "KEY_FUNCTION": "tenancy.contrib.cache.make_key", and keep what all share elsewhere.',
                id="tenancy.W027",
            )


def cloned_credentials() -> Iterator[CheckMessage]:
    """W026: CLONE_EXCLUDE was written without models whose rows let somebody in: they are valid in clones."""
    missing = [label for label in conf.known_credentials if label not in conf.clone_exclude]
    if missing:
        yield Warning(
            f"TENANCY['CLONE_EXCLUDE'] lacks {', '.join(missing)}, which are in it by default: clones get those rows, "
            "and whoever has one gets into them.",
            hint="Name them there too, beside your own.",
            id="tenancy.W026",
        )


CHECKS: tuple[Callable[[], Iterable[CheckMessage]], ...] = (
    shared_sessions,
    sessions_without_tenant,
    shared_cookies,
    shared_messages,
    trusted_tenants,
    shared_tokens,
    shared_account_links,
    shared_web_tokens,
    cloned_credentials,
    shared_caches,
)


def _is_of_tenant(generator: str | None) -> bool:
    """Tell whether a class of generators, by its dotted path, makes tokens of one tenant."""
    try:
        return generator is not None and issubclass(import_string(generator), TenantTokenGenerator)
    except ImportError:
        return True  # allauth says so as it is loaded.


def position(middleware: type) -> int | None:
    """Where in MIDDLEWARE a class is, or one made of it."""
    for index, path in enumerate(conf.middleware):
        try:
            found = import_string(path)
        except ImportError:
            continue  # Django says so as it starts.
        if isinstance(found, type) and issubclass(found, middleware):
            return index
    return None


def _sessions_choose() -> bool:
    """Tell whether the session names the tenant: then it is the platform's, and a verifier says who may go where."""
    return "tenancy.resolvers.SessionResolver" in conf.resolver_paths


def _environment() -> str | None:
    """The tenants' environment; None if there is none, which E003 tells of."""
    try:
        return conf.environment if conf.environment in environments() else None
    except ConfigError:
        return None


def _shared_domains() -> list[tuple[str, str]]:
    if position(TenantMiddleware) is None:
        return []
    return [(name, domain) for name, domain in conf.cookie_domains.items() if _covers(domain.lower().strip("."))]


def _covers(domain: str) -> bool:
    """Tell whether hosts of more than one tenant may be below a domain: not if it is a tenant's sub-domain itself."""
    return not (conf.base_domain and domain.endswith(f".{conf.base_domain}"))


def _patterns(patterns: Iterable[Any], path: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        here = path + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, here)
        else:
            yield here, pattern


def _token_generator(view: Any) -> Any:
    default = getattr(getattr(view, "view_class", None), "token_generator", None)
    return getattr(view, "view_initkwargs", {}).get("token_generator", default)

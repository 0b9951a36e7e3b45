"""The settings of this package, as typed properties. Nothing else in it reads `django.conf.settings`.

`TENANCY` is one dict; `TENANCY_TENANT_MODEL` and `TENANCY_DOMAIN_MODEL` stand by themselves, as `AUTH_USER_MODEL` does,
since migrations refer to them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_schemas.environments import databases_of, environments
from django_schemas.exceptions import ConfigError

__all__ = ["KEYS", "REGISTRY", "Conf", "Limit", "conf"]

Limit = float | Callable[[Any], float | None] | None
"""The same for all tenants, or what tells that of each."""

REGISTRY = "registry"
"""Name of the single-schema environment that holds the Tenant and Domain models."""

KEYS = frozenset(
    (
        "BASE_DOMAIN",
        "BEHIND",
        "BLUEPRINT",
        "CACHE_SIZE",
        "CACHE_TTL_S",
        "CLONE_EXCLUDE",
        "CLONE_HOOK",
        "DATABASES",
        "DOMAIN_VERIFIER",
        "EMAIL",
        "ENVIRONMENT",
        "GRACE_DAYS",
        "LISTEN",
        "MAX_CONCURRENT_REQUESTS",
        "METRICS_TOKEN",
        "PLACING",
        "POOL",
        "PROVISIONING",
        "PUBLIC_URLCONF",
        "QUOTA",
        "REFUSAL_VIEWS",
        "RESERVED_SLUGS",
        "RESOLVERS",
        "RETRY_AFTER_S",
        "ROLES",
        "SQL_COMMENTS",
        "STALE_S",
        "STATEMENT_TIMEOUT_S",
        "TASKS_RETRY",
        "TRUSTED_PROXIES",
    )
)
"""All keys of `TENANCY`."""

_SESSIONS = ("sessions.Session", "user_sessions.Session", "usersessions.UserSession")
"""Models of Django and of known apps whose rows are sessions."""

_CREDENTIALS = (
    *_SESSIONS,
    "account.EmailConfirmation",
    "allauth_idp_oidc.Token",
    "authtoken.Token",
    "django_rest_passwordreset.ResetPasswordToken",
    "durin.AuthToken",
    "knox.AuthToken",
    "token_blacklist.BlacklistedToken",
    "token_blacklist.OutstandingToken",
    "ninja_apikey.APIKey",
    "oauth2_provider.AccessToken",
    "oauth2_provider.DeviceGrant",
    "oauth2_provider.Grant",
    "oauth2_provider.IDToken",
    "oauth2_provider.RefreshToken",
    "rest_framework_api_key.APIKey",
    "socialaccount.SocialToken",
    "wagtailcore.APIToken",
)
"""Models of Django and of known apps whose rows let somebody in."""

_ACCOUNT_LINKS = {
    "ACCOUNT_EMAIL_CONFIRMATION_HMAC": True,
    "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED": False,
    "ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED": False,
    "ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR": None,
}
"""Settings of `allauth.account`, and what they are if they are not set."""


class Conf:
    """A live view of the settings. What every request asks for is computed once, until a setting is overridden."""

    @property
    def tenancy(self) -> Mapping[str, Any]:
        """The dict `TENANCY` itself."""
        value: Mapping[str, Any] = getattr(settings, "TENANCY", {})
        return value

    @property
    def tenant_model(self) -> str:
        """`TENANCY_TENANT_MODEL`: label of the tenant model; `tenancy.Tenant` by default."""
        return str(getattr(settings, "TENANCY_TENANT_MODEL", "tenancy.Tenant"))

    @property
    def domain_model(self) -> str:
        """`TENANCY_DOMAIN_MODEL`: label of the domain model; `tenancy.Domain` by default."""
        return str(getattr(settings, "TENANCY_DOMAIN_MODEL", "tenancy.Domain"))

    @cached_property
    def environment(self) -> str:
        """`ENVIRONMENT`: the multi-schema environment that tenants live in; the only one there is by default.

        Raises:
            ConfigError: it is not set, and there is none or more than one.
        """
        name = self.tenancy.get("ENVIRONMENT")
        if name is not None:
            return str(name)
        names = [env.name for env in environments().values() if not env.single_schema]
        if len(names) != 1:
            raise ConfigError(
                f"TENANCY['ENVIRONMENT'] must name one of the multi-schema environments ({', '.join(names) or 'none'})."
            )
        return names[0]

    @cached_property
    def base_domain(self) -> str:
        """`BASE_DOMAIN`: `acme.<BASE_DOMAIN>` is the tenant with slug `acme`; empty (the default): no subdomains."""
        return str(self.tenancy.get("BASE_DOMAIN") or "").lower().strip(".")

    @property
    def root_urlconf(self) -> str:
        """Django's `ROOT_URLCONF`: what tenants are served."""
        return str(settings.ROOT_URLCONF)

    @property
    def middleware(self) -> Sequence[str]:
        """Django's `MIDDLEWARE`."""
        return list(settings.MIDDLEWARE)

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Django's `ALLOWED_HOSTS`."""
        return settings.ALLOWED_HOSTS

    @property
    def debug(self) -> bool:
        """Django's `DEBUG`."""
        return bool(settings.DEBUG)

    @property
    def uses_forwarded_host(self) -> bool:
        """Django's `USE_X_FORWARDED_HOST`."""
        return bool(settings.USE_X_FORWARDED_HOST)

    @property
    def public_urlconf(self) -> str | None:
        """`PUBLIC_URLCONF`: what the bare `BASE_DOMAIN` serves; None (the default): 404."""
        value: str | None = self.tenancy.get("PUBLIC_URLCONF")
        return value

    @property
    def resolvers(self) -> Sequence[Any]:
        """`RESOLVERS`: the chain, each a dotted path or a pair (dotted path, options); host resolvers by default."""
        default = ("tenancy.resolvers.DomainResolver", "tenancy.resolvers.SubdomainResolver")
        return list(self.tenancy.get("RESOLVERS", default))

    @property
    def resolver_paths(self) -> list[str]:
        """The dotted paths of `RESOLVERS`, without their arguments."""
        return [each if isinstance(each, str) else each[0] for each in self.resolvers]

    @property
    def placing(self) -> Callable[..., str]:
        """`PLACING`: what chooses a new tenant's database, or its dotted path; `fewest_tenants` by default."""
        value = self.tenancy.get("PLACING", "tenancy.placing.fewest_tenants")
        chosen: Callable[..., str] = import_string(value) if isinstance(value, str) else value
        return chosen

    @property
    def clone_exclude(self) -> tuple[str, ...]:
        """`CLONE_EXCLUDE`: labels of models whose rows no clone gets; sessions and tokens of known apps by default."""
        given = self.tenancy.get("CLONE_EXCLUDE")
        return self.known_credentials if given is None else tuple(given)

    @property
    def known_credentials(self) -> tuple[str, ...]:
        """Labels of the models of Django and of known apps, as far as they are installed, that let somebody in."""
        return _installed(_CREDENTIALS)

    @property
    def session_models(self) -> tuple[str, ...]:
        """Those of them whose rows are sessions."""
        return _installed(_SESSIONS)

    @property
    def clone_hook(self) -> str | None:
        """`CLONE_HOOK`: dotted path of a function that is called with each clone before anybody sees it; None."""
        value: str | None = self.tenancy.get("CLONE_HOOK")
        return value

    @property
    def weights(self) -> Mapping[str, float]:
        """`DATABASES`: the databases that tenants are spread over, each with its weight: how many it gets in relation
        to the others, 0 for none. A list means 1 for each; by default every writable database of the environment.
        """
        given = self.tenancy.get("DATABASES") or databases_of(self.environment)
        return given if isinstance(given, Mapping) else dict.fromkeys(given, 1)

    @property
    def databases(self) -> tuple[str, ...]:
        """Those of them whose weight is more than 0: where new tenants may be placed."""
        return tuple(db for db, weight in self.weights.items() if weight > 0)

    @property
    def provisioning(self) -> str | Callable[..., Any]:
        """`PROVISIONING`: when a schema is made for a new tenant: `"now"` (the default), `"on_commit"`, `"manual"` (up
        to you), or what is called with the tenant once it is committed, to enqueue a task, or its dotted path.
        """
        value = self.tenancy.get("PROVISIONING", "now")
        chosen: str | Callable[..., Any] = import_string(value) if isinstance(value, str) and "." in value else value
        return chosen

    @property
    def blueprint(self) -> bool:
        """`BLUEPRINT`: whether schemas of new tenants are made by a blueprint; else each by migrations; True."""
        return bool(self.tenancy.get("BLUEPRINT", True))

    @property
    def pool(self) -> int:
        """`POOL`: how many ready schemas each of `DATABASES` keeps for new tenants; 0 by default: none."""
        return int(self.tenancy.get("POOL", 0))

    @property
    def behind(self) -> str:
        """`BEHIND`: what becomes of requests for tenants whose schema lacks a migration: `"serve"` (the default), or
        `"refuse"`: 503.
        """
        return str(self.tenancy.get("BEHIND", "serve"))

    @property
    def grace_days(self) -> float:
        """`GRACE_DAYS`: how long after its deletion `tenant purge --all` leaves a tenant, in days; 30 by default."""
        return float(self.tenancy.get("GRACE_DAYS", 30))

    @property
    def domain_verifier(self) -> Callable[..., bool] | None:
        """`DOMAIN_VERIFIER`: tells whether a domain is shown to be its tenant's, or its dotted path; None: all are."""
        value = self.tenancy.get("DOMAIN_VERIFIER")
        chosen: Callable[..., bool] | None = import_string(value) if isinstance(value, str) else value
        return chosen

    @property
    def reserved_slugs(self) -> frozenset[str]:
        """`RESERVED_SLUGS`: slugs that no tenant may have; `www` by default."""
        return frozenset(self.tenancy.get("RESERVED_SLUGS", ("www",)))

    @cached_property
    def cache_ttl_s(self) -> float:
        """`CACHE_TTL_S`: how long, in seconds, a process may go on with what it read of a tenant; 5 by default."""
        return float(self.tenancy.get("CACHE_TTL_S", 5.0))

    @property
    def cache_size(self) -> int:
        """`CACHE_SIZE`: how many look-ups a process remembers; 10,000 by default."""
        return int(self.tenancy.get("CACHE_SIZE", 10_000))

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Django's `SECRET_KEY`, and `SECRET_KEY_FALLBACKS`, which were it before."""
        return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)

    @property
    def session_cookie_name(self) -> str:
        """Django's `SESSION_COOKIE_NAME`."""
        return settings.SESSION_COOKIE_NAME

    @property
    def session_engine(self) -> str:
        """Django's `SESSION_ENGINE`."""
        return settings.SESSION_ENGINE

    @property
    def account_links(self) -> Mapping[str, Any] | None:
        """Settings of `allauth.account` about the links that it sends, with its defaults; None: it is not installed."""
        if not apps.is_installed("allauth.account"):
            return None
        return {name: getattr(settings, name, default) for name, default in _ACCOUNT_LINKS.items()}

    @property
    def caches_in_use(self) -> Mapping[str, Mapping[str, Any]]:
        """Of Django's `CACHES`, if a project has set it, those that are used without being named."""
        if not settings.is_overridden("CACHES"):  # type: ignore[misc]  # not in the stubs
            return {}
        aliases = {"default", "template_fragments", settings.CACHE_MIDDLEWARE_ALIAS}
        return {alias: options for alias, options in settings.CACHES.items() if alias in aliases}

    @property
    def message_storage(self) -> str:
        """Django's `MESSAGE_STORAGE`."""
        return settings.MESSAGE_STORAGE

    @property
    def cookie_domains(self) -> Mapping[str, str]:
        """Django's settings of cookies' domains that are set, by their names."""
        names = ("SESSION_COOKIE_DOMAIN", "CSRF_COOKIE_DOMAIN", "LANGUAGE_COOKIE_DOMAIN")
        return {name: value for name in names if (value := getattr(settings, name))}

    @property
    def csrf_trusted_origins(self) -> Sequence[str]:
        """Django's `CSRF_TRUSTED_ORIGINS`."""
        return settings.CSRF_TRUSTED_ORIGINS

    @property
    def stale_s(self) -> float:
        """`STALE_S`: for how long known tenants are served while the registry can't be asked, in s; 300 by default."""
        return float(self.tenancy.get("STALE_S", 300.0))

    @property
    def listen(self) -> bool:
        """`LISTEN`: whether each process listens for changes of the registry; True by default."""
        return bool(self.tenancy.get("LISTEN", True))

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """`TRUSTED_PROXIES`: networks whose `X-Forwarded-Host` is believed, `"unix"` for a socket; none by default."""
        return tuple(self.tenancy.get("TRUSTED_PROXIES", ()))

    @property
    def refusal_views(self) -> Mapping[str, str]:
        """`REFUSAL_VIEWS`: views, as dotted paths, that answer for `unknown`, `suspended`, ... tenants."""
        value: Mapping[str, str] = self.tenancy.get("REFUSAL_VIEWS", {})
        return value

    @property
    def retry_after_s(self) -> int:
        """`RETRY_AFTER_S`: what a 503 tells clients to wait, in seconds; 5 by default."""
        return int(self.tenancy.get("RETRY_AFTER_S", 5))

    @property
    def tasks_retry(self) -> Mapping[str, float]:
        """`TASKS_RETRY`: in which statuses background work of a tenant is put off instead of refused, and for how long
        each time, in seconds; 5 while it is provisioning or moving by default, since both end soon.
        """
        value: Mapping[str, float] = self.tenancy.get("TASKS_RETRY", {"provisioning": 5, "moving": 5})
        return value

    @property
    def roles(self) -> Mapping[str, Any] | None:
        """`ROLES`: a role for each tenant's schema; None by default: there are none. A dict of `SERVING`, the login of
        processes that serve (a name, or a dict of names by alias of the database), and `READABLE`, labels of models of
        the registry that statements of tenants may join; none by default.
        """
        value: Mapping[str, Any] | None = self.tenancy.get("ROLES")
        return value

    def serving_login(self, environment: str, db: str) -> str | None:
        """The login that serves an environment in a database, whose schemas have roles; None if they have none."""
        if not self.roles or environment != self.environment:
            return None
        serving: str | Mapping[str, str] = self.roles["SERVING"]
        return serving if isinstance(serving, str) else serving.get(db)

    @property
    def readable(self) -> tuple[str, ...]:
        """`ROLES["READABLE"]`: labels of models of the registry that statements of tenants may join."""
        return tuple((self.roles or {}).get("READABLE", ()))

    @property
    def sql_comments(self) -> bool:
        """`SQL_COMMENTS`: whether statements bear a comment that tells whose they are; False by default."""
        return bool(self.tenancy.get("SQL_COMMENTS", False))

    @property
    def metrics_token(self) -> str | None:
        """`METRICS_TOKEN`: what `tenancy.contrib.metrics.view` wants to be shown; None (the default): it shows nobody
        anything.
        """
        value: str | None = self.tenancy.get("METRICS_TOKEN")
        return value

    @property
    def quota(self) -> Callable[[Any], str | None] | None:
        """`QUOTA`: what is called with each new tenant before it is saved, and says why there may be no such tenant, or
        its dotted path; None (the default): there may be any.
        """
        value = self.tenancy.get("QUOTA")
        chosen: Callable[[Any], str | None] | None = import_string(value) if isinstance(value, str) else value
        return chosen

    @property
    def email(self) -> Callable[[Any], Mapping[str, Any] | None] | None:
        """`EMAIL`: what is called with a tenant and tells how its mail is sent, or its dotted path; None (the default):
        `tenant.settings["email"]` tells.
        """
        value = self.tenancy.get("EMAIL")
        chosen: Callable[[Any], Mapping[str, Any] | None] | None
        chosen = import_string(value) if isinstance(value, str) else value
        return chosen

    @property
    def usual_sender(self) -> str:
        """Django's `DEFAULT_FROM_EMAIL`."""
        return settings.DEFAULT_FROM_EMAIL

    @property
    def staff_addresses(self) -> frozenset[str]:
        """The addresses in Django's `ADMINS` and `MANAGERS`."""
        listed: list[Any] = [*settings.ADMINS, *settings.MANAGERS]
        # Pairs of name and address until Django 6.0.
        return frozenset(each if isinstance(each, str) else each[1] for each in listed)

    @property
    def statement_timeout_s(self) -> Limit:
        """`STATEMENT_TIMEOUT_S`: how long each statement of a tenant's request may take, in seconds; or what is called
        with the tenant and tells it, or its dotted path; None by default: as long as it likes.
        """
        return self._limit("STATEMENT_TIMEOUT_S")

    @property
    def max_concurrent_requests(self) -> Limit:
        """`MAX_CONCURRENT_REQUESTS`: how many requests of one tenant a process serves at a time; or what is called with
        the tenant and tells it, or its dotted path; None by default: as many as there are.
        """
        return self._limit("MAX_CONCURRENT_REQUESTS")

    def _limit(self, key: str) -> Limit:
        value = self.tenancy.get(key)
        return import_string(value) if isinstance(value, str) else value


conf = Conf()


def _installed(labels: Sequence[str]) -> tuple[str, ...]:
    known = {model._meta.label for model in apps.get_models()}
    return tuple(label for label in labels if label in known)


def _forget(**kwargs: object) -> None:
    vars(conf).clear()


setting_changed.connect(_forget, dispatch_uid="tenancy.conf")

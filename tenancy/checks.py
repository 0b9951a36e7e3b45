"""System checks of the settings of this package. One function for each id; none asks a database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http.request import validate_host
from django.utils.module_loading import import_string

from django_schemas.conf import databases
from django_schemas.environments import databases_of, environments
from django_schemas.exceptions import ConfigError
from django_schemas.membership import environments_of
from django_schemas.places import single_home

from . import credentials
from .conf import KEYS, REGISTRY, conf
from .hosts import canonical_host
from .middleware import TenantMiddleware
from .proxies import UNIX, networks
from .refusals import KINDS
from .resolvers import load_resolvers
from .states import Status

__all__ = ["FEWEST", "check_tenancy"]

FEWEST = 3
"""Connections to the registry's database that moving or cloning a tenant takes, if the tenant is there too."""


@register("tenancy")
def check_tenancy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check TENANCY, and that there is a registry and an environment for tenants."""
    functions = (
        unknown_keys,
        no_registry,
        no_environment,
        no_resolvers,
        no_middleware,
        no_placing,
        odd_provisioning,
        odd_databases,
        few_connections,
        proxies_not_named,
        odd_proxies,
        odd_refusal_views,
        odd_numbers,
        odd_base_domain,
        hosts_refused,
        odd_behind,
        no_session_yet,
        no_verifier,
        odd_grace,
        odd_limits,
        odd_roles,
        no_callables,
        odd_metrics_token,
        odd_retries,
    )
    return [message for function in (*functions, *credentials.CHECKS) for message in function()]


def unknown_keys() -> Iterator[CheckMessage]:
    """E001: a key of TENANCY means nothing."""
    for key in sorted(set(conf.tenancy) - KEYS):
        yield Error(
            f"TENANCY has the unknown key {key!r}.", hint=f"Keys: {', '.join(sorted(KEYS))}.", id="tenancy.E001"
        )


def no_registry() -> Iterator[CheckMessage]:
    """E002: there is no environment for the registry."""
    registry = environments().get(REGISTRY)
    if registry is None or not registry.single_schema:
        yield Error(
            f"DATABASE_ENVIRONMENTS has no single-schema environment {REGISTRY!r} for tenants and domains.",
            hint=f"Add {REGISTRY!r}: {{'SCHEMA_NAME': {REGISTRY!r}}}.",
            id="tenancy.E002",
        )


def no_environment() -> Iterator[CheckMessage]:
    """E003: it is not clear which environment tenants live in."""
    try:
        name = conf.environment
    except ConfigError as error:
        yield Error(str(error), id="tenancy.E003")
        return
    if name not in environments() or environments()[name].single_schema:
        yield Error(f"TENANCY['ENVIRONMENT'] is {name!r}, which is no multi-schema environment.", id="tenancy.E003")


def no_resolvers() -> Iterator[CheckMessage]:
    """E004: a resolver can't be loaded."""
    try:
        load_resolvers(conf.resolvers)
    except ImproperlyConfigured as error:
        yield Error(str(error), id="tenancy.E004")


def no_middleware() -> Iterator[CheckMessage]:
    """W040: nothing finds the tenant of a request."""
    if conf.resolvers and credentials.position(TenantMiddleware) is None:
        yield Warning(
            "MIDDLEWARE has no TenantMiddleware, so no request has a tenant.",
            hint="Put 'tenancy.middleware.TenantMiddleware' first; or say TENANCY['RESOLVERS'] = [] where no requests "
            "are served.",
            id="tenancy.W040",
        )


def no_placing() -> Iterator[CheckMessage]:
    """E005: the placing strategy can't be loaded."""
    value = conf.tenancy.get("PLACING")
    if isinstance(value, str):
        try:
            import_string(value)
        except ImportError as error:
            yield Error(f"TENANCY['PLACING'] can't be loaded: {error}", id="tenancy.E005")


def odd_provisioning() -> Iterator[CheckMessage]:
    """E006: PROVISIONING is none of its values."""
    try:
        value = conf.provisioning
    except ImportError as error:
        yield Error(f"TENANCY['PROVISIONING'] can't be loaded: {error}", id="tenancy.E006")
        return
    if not callable(value) and value not in ("now", "on_commit", "manual"):
        yield Error(
            f"TENANCY['PROVISIONING'] is {value!r}; it is 'now', 'on_commit', 'manual' or a callable.",
            id="tenancy.E006",
        )


def odd_databases() -> Iterator[CheckMessage]:
    """E007: DATABASES names one that can hold no tenant."""
    wanted = conf.tenancy.get("DATABASES") or ()
    name = conf.tenancy.get("ENVIRONMENT")
    for db in wanted if name in environments() else ():
        if db not in databases_of(str(name)):
            yield Error(
                f"TENANCY['DATABASES'] names {db!r}, which is no writable database that hosts {name!r}.",
                id="tenancy.E007",
            )
    if isinstance(wanted, Mapping) and wanted and not any(wanted.values()):
        yield Error(
            "TENANCY['DATABASES'] leaves new tenants no database: all of them weigh 0.",
            hint="Give one that they may be placed in a weight, as {'default': 1, 'eu': 0}.",
            id="tenancy.E007",
        )


def proxies_not_named() -> Iterator[CheckMessage]:
    """E010: X-Forwarded-Host is to be used, and nobody is trusted to send it."""
    if conf.uses_forwarded_host and not conf.trusted_proxies:
        yield Error(
            "USE_X_FORWARDED_HOST is on, and TENANCY['TRUSTED_PROXIES'] names nobody who may send that header: "
            "it would let any client choose a tenant, so it is ignored.",
            hint="Name the networks of your proxies, as ['10.0.0.0/8'], or switch USE_X_FORWARDED_HOST off.",
            id="tenancy.E010",
        )


def odd_proxies() -> Iterator[CheckMessage]:
    """E011: TRUSTED_PROXIES holds what is no network."""
    try:
        networks(conf.trusted_proxies)
    except ValueError as error:
        yield Error(
            f"TENANCY['TRUSTED_PROXIES']: {error}.",
            hint=f"Write networks, as '10.0.0.0/8', or {UNIX!r} for a socket.",
            id="tenancy.E011",
        )


def odd_refusal_views() -> Iterator[CheckMessage]:
    """E012: REFUSAL_VIEWS names what is no case, or a view that can't be loaded."""
    for kind, path in conf.refusal_views.items():
        if kind not in KINDS:
            yield Error(
                f"TENANCY['REFUSAL_VIEWS'] has the unknown key {kind!r}.",
                hint=f"Keys: {', '.join(sorted(KINDS))}.",
                id="tenancy.E012",
            )
            continue
        try:
            import_string(path)
        except ImportError as error:
            yield Error(f"TENANCY['REFUSAL_VIEWS'][{kind!r}] can't be loaded: {error}", id="tenancy.E012")


def odd_numbers() -> Iterator[CheckMessage]:
    """E013: a setting that is a number is none, or is negative."""
    for key in ("CACHE_SIZE", "CACHE_TTL_S", "POOL", "RETRY_AFTER_S", "STALE_S"):
        value = conf.tenancy.get(key, 0)
        if not _is_number(value) or value < 0:
            yield Error(f"TENANCY[{key!r}] is {value!r}; it is a number, 0 or more.", id="tenancy.E013")
    weights = conf.tenancy.get("DATABASES")
    for db, weight in weights.items() if isinstance(weights, Mapping) else ():
        if not _is_number(weight) or not isfinite(weight) or weight < 0:
            yield Error(f"TENANCY['DATABASES'][{db!r}] is {weight!r}; it is a number, 0 or more.", id="tenancy.E013")


def few_connections() -> Iterator[CheckMessage]:
    """E041: a process has fewer connections to the registry's database than work on a tenant takes."""
    for db in databases_of(REGISTRY) if REGISTRY in environments() else ():
        options = databases()[db]
        pool = options.get("OPTIONS", {}).get("pool")
        most = pool.get("max_size") if isinstance(pool, Mapping) else options.get("MAX_CONNECTIONS")
        if isinstance(most, int) and most < FEWEST:
            yield Error(
                f"A process may have {most!r} connections to database {db!r}, which has the registry.",
                hint=f"Say {FEWEST} or more: a tenant that is there is locked, fenced and written to over one each.",
                id="tenancy.E041",
            )


def odd_base_domain() -> Iterator[CheckMessage]:
    """E014: BASE_DOMAIN is no host name in canonical form."""
    if conf.base_domain:
        with suppress(ValidationError):
            if canonical_host(conf.base_domain) == conf.base_domain:
                return
        yield Error(
            f"TENANCY['BASE_DOMAIN'] is {conf.base_domain!r}, which no request's host can be under.",
            hint="Write a host name without a port, and in punycode if it is an international one.",
            id="tenancy.E014",
        )


def hosts_refused() -> Iterator[CheckMessage]:
    """W038: ALLOWED_HOSTS does not let the hosts of tenants pass."""
    base = conf.base_domain
    # What Django takes where it is empty, in `HttpRequest.get_host()`.
    allowed = conf.allowed_hosts or ([".localhost", "127.0.0.1", "[::1]"] if conf.debug else [])
    named = "tenancy.resolvers.SubdomainResolver" in conf.resolver_paths
    if base and named and not validate_host(f"tenant.{base}", allowed):
        yield Warning(
            f"ALLOWED_HOSTS lets no sub-domain of TENANCY['BASE_DOMAIN'] pass: Django refuses tenant.{base}.",
            hint=f"Add {'.' + base!r}, with the dot, and what hosts of their own your tenants have.",
            id="tenancy.W038",
        )


def odd_behind() -> Iterator[CheckMessage]:
    """E016: BEHIND is none of its values."""
    if conf.behind not in ("serve", "refuse"):
        yield Error(f"TENANCY['BEHIND'] is {conf.behind!r}; it is 'serve' or 'refuse'.", id="tenancy.E016")


def no_session_yet() -> Iterator[CheckMessage]:
    """E015: a resolver reads the session, which is not there yet."""
    middleware = list(conf.middleware)
    session = "django.contrib.sessions.middleware.SessionMiddleware"
    ours = "tenancy.middleware.TenantMiddleware"
    if "tenancy.resolvers.SessionResolver" not in conf.resolver_paths or ours not in middleware:
        return
    if session not in middleware[: middleware.index(ours)]:
        yield Error(
            "TENANCY['RESOLVERS'] has a SessionResolver, and no session middleware comes before TenantMiddleware.",
            hint="Put SessionMiddleware first; keep sessions out of the tenants' environment then.",
            id="tenancy.E015",
        )


def no_verifier() -> Iterator[CheckMessage]:
    """E030: what verifies domains can't be loaded, or can't be called."""
    try:
        value: object = conf.domain_verifier
    except ImportError as error:
        yield Error(f"TENANCY['DOMAIN_VERIFIER'] can't be loaded: {error}", id="tenancy.E030")
        return
    if value is not None and not callable(value):
        yield Error(f"TENANCY['DOMAIN_VERIFIER'] is {value!r}, which can't be called.", id="tenancy.E030")


def odd_grace() -> Iterator[CheckMessage]:
    """E031: GRACE_DAYS is no number of days."""
    value = conf.tenancy.get("GRACE_DAYS", 0)
    if not _is_number(value) or value < 0:
        yield Error(f"TENANCY['GRACE_DAYS'] is {value!r}, which is no number of days.", id="tenancy.E031")


def odd_limits() -> Iterator[CheckMessage]:
    """E032: a limit of requests is neither a number nor tells one."""
    for key in ("MAX_CONCURRENT_REQUESTS", "STATEMENT_TIMEOUT_S"):
        try:
            value = getattr(conf, key.lower())
        except ImportError as error:
            yield Error(f"TENANCY[{key!r}] can't be loaded: {error}", id="tenancy.E032")
            continue
        if value is not None and not callable(value) and not (_is_number(value) and value > 0):
            yield Error(
                f"TENANCY[{key!r}] is {value!r}; it is a number above 0, or what is called with a tenant.",
                id="tenancy.E032",
            )


def odd_roles() -> Iterator[CheckMessage]:
    """E033: ROLES does not say who serves, or names what is no model of the registry."""
    roles = conf.roles
    if roles is None:
        return
    serving = roles.get("SERVING") if isinstance(roles, dict) else None
    names = list(serving.values()) if isinstance(serving, dict) else [serving]
    if not names or not all(isinstance(name, str) and name for name in names) or set(roles) - {"SERVING", "READABLE"}:
        yield Error(
            f"TENANCY['ROLES'] is {roles!r}; it has 'SERVING', the login that serves or one for each database, and "
            "may have 'READABLE'.",
            hint='Write {"SERVING": "app"}.',
            id="tenancy.E033",
        )
        return
    for label in roles.get("READABLE", ()):
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError) as error:
            yield Error(f"TENANCY['ROLES']['READABLE']: {error}", id="tenancy.E033")
            continue
        if single_home(environments_of(model)) is None:
            yield Error(
                f"TENANCY['ROLES']['READABLE'] names {label!r}, which is of no single-schema environment.",
                id="tenancy.E033",
            )


def no_callables() -> Iterator[CheckMessage]:
    """E036: what is to be asked about new tenants, or about mail, can't be loaded, or can't be called."""
    for key in ("QUOTA", "EMAIL"):
        try:
            value = getattr(conf, key.lower())
        except ImportError as error:
            yield Error(f"TENANCY[{key!r}] can't be loaded: {error}", id="tenancy.E036")
            continue
        if value is not None and not callable(value):
            yield Error(f"TENANCY[{key!r}] is {value!r}, which can't be called.", id="tenancy.E036")


def odd_metrics_token() -> Iterator[CheckMessage]:
    """E037: the token for the metrics is none, or can be guessed."""
    value = conf.tenancy.get("METRICS_TOKEN")
    if value is not None and not (isinstance(value, str) and value.isascii() and len(value) >= _TOKEN_LENGTH):
        yield Error(
            f"TENANCY['METRICS_TOKEN'] is no text of {_TOKEN_LENGTH} ASCII characters or more.",
            hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.",
            id="tenancy.E037",
        )


_TOKEN_LENGTH = 16


def odd_retries() -> Iterator[CheckMessage]:
    """E035: TASKS_RETRY names no status that work waits in, or no time to wait."""
    retries: object = conf.tasks_retry
    statuses = set(Status.values) - {Status.ACTIVE}
    if not isinstance(retries, dict) or not all(
        status in statuses and _is_number(delay) and delay > 0 for status, delay in retries.items()
    ):
        yield Error(
            f"TENANCY['TASKS_RETRY'] is {retries!r}; it says for statuses how many seconds work is put off.",
            hint=f"Write {{'moving': 5}}, or {{}} to put off nothing. Statuses: {', '.join(sorted(statuses))}.",
            id="tenancy.E035",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""System checks of the settings of this package. One function for each id; none asks a database."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_schemas.environments import databases_of, environments
from django_schemas.exceptions import ConfigError

from . import credentials
from .conf import KEYS, REGISTRY, conf
from .resolvers import load_resolvers

__all__ = ["check_tenancy"]


@register("tenancy")
def check_tenancy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check TENANCY, and that there is a registry and an environment for tenants."""
    functions = (
        unknown_keys,
        no_registry,
        no_environment,
        no_resolvers,
        no_placing,
        odd_provisioning,
        odd_databases,
        no_verifier,
        odd_grace,
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
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        yield Error(f"TENANCY['GRACE_DAYS'] is {value!r}, which is no number of days.", id="tenancy.E031")

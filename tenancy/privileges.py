"""Least privilege, if `ROLES` asks for it: the rights of the login that serves, and of the role of each schema.

New tenants get theirs as their schemas are made. What is here gives them to what was there before, and to the login.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections, transaction

from django_schemas import roles
from django_schemas.environments import databases_of, environments_on, home
from django_schemas.exceptions import ConfigError
from django_schemas.identifiers import qualified, quote
from django_schemas.membership import environments_of
from django_schemas.places import single_home

from .conf import conf
from .models import AbstractTenant
from .work import working_on

__all__ = ["check_login", "give_login", "give_tenant", "served_databases"]

_LOGIN = """
    SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit,
        has_database_privilege(oid, current_database(), 'CREATE')
    FROM pg_catalog.pg_roles WHERE rolname = %s
"""
_TOO_MUCH = (
    "is a superuser",
    "bypasses row security",
    "may make roles",
    "may make databases",
    "inherits the rights of the roles it is given",
    "may make schemas",
)


def served_databases() -> list[str]:
    """Aliases of the databases whose tenants have roles."""
    return [db for db in databases_of(conf.environment) if conf.serving_login(conf.environment, db)]


def give_login(db: str) -> list[str]:
    """Give the login that serves a database its rights on the single-schema environments there.

    Returns:
        The names of these environments.

    Raises:
        ConfigError: the server has no such login.
    """
    login = conf.serving_login(conf.environment, db)
    if login is None:
        return []
    places = [alias for name in environments_on(db) if (alias := home(name)) is not None]
    with transaction.atomic(using=db), connections[db].cursor() as cursor:
        cursor.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [login])
        if not cursor.rowcount:
            raise ConfigError(
                f"There is no role {login!r} on the server of {db!r}: "
                f"CREATE ROLE {quote(login)} LOGIN NOINHERIT PASSWORD '...';"
            )
        for alias in places:
            cursor.execute("; ".join(roles.rights(quote(alias.schema), quote(login))))
        for label in conf.readable:
            model = apps.get_model(label)
            alias = single_home(environments_of(model))
            if alias is not None and alias.db == db:
                # To all: it is read by each tenant's statements.
                cursor.execute(
                    f"GRANT USAGE ON SCHEMA {quote(alias.schema)} TO PUBLIC; "
                    f"GRANT SELECT ON {qualified(alias.schema, model._meta.db_table)} TO PUBLIC"
                )
    return [alias.environment for alias in places]


def give_tenant(tenant: AbstractTenant) -> None:
    """Make the role of a tenant's schema, if it is not there, and give it its rights.

    Raises:
        TenantBusy: another process works on this tenant.
    """
    with working_on(tenant.slug), transaction.atomic(using=tenant.db):
        roles.give(tenant.alias)


@register(Tags.database)
def check_login(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E034: the login that serves is not there, or may do what makes roles useless."""
    asked = set(databases or ())
    return [message for db in served_databases() if db in asked for message in _judged(db)]


def _judged(db: str) -> Iterator[CheckMessage]:
    login = conf.serving_login(conf.environment, db)
    assert login is not None
    with connections[db].cursor() as cursor:
        cursor.execute(_LOGIN, [login])
        found = cursor.fetchone()
    told = ["is not there"] if found is None else [what for what, is_so in zip(_TOO_MUCH, found, strict=True) if is_so]
    if told:
        yield Error(
            f"Role {login!r}, which TENANCY['ROLES'] says serves {db!r}, {', '.join(told)}.",
            hint=f"CREATE ROLE {quote(login)} LOGIN NOINHERIT, without rights of its own; "
            "then `manage.py tenant roles --all`, as the login that migrates.",
            id="tenancy.E034",
        )

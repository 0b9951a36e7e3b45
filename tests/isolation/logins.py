"""Logins of least privilege: one that serves, whose statements run as roles of schemas, and one that migrates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from django.db import connections
from django.db.backends.postgresql.features import DatabaseFeatures
from django.test import override_settings

from django_schemas.environments import primary_of
from django_schemas.identifiers import quote
from tenancy.conf import conf

__all__ = ["KEEPER", "SERVER", "keeper", "logged_in", "with_roles"]

SERVER = "sesame"
"""The login that serves."""
KEEPER = "seneschal"
"""The login that migrates, and so owns what it makes. It is no superuser."""
DATABASES = ("default", "shard2")


@contextmanager
def keeper() -> Iterator[None]:
    """Have a login that may make tenants, and roles, in `default`."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f"DROP ROLE IF EXISTS {KEEPER}; CREATE ROLE {KEEPER} LOGIN CREATEROLE; "
            f"GRANT CREATE ON DATABASE {quote(str(connections['default'].settings_dict['NAME']))} TO {KEEPER}; "
            f"GRANT ALL ON SCHEMA registry TO {KEEPER}; GRANT ALL ON ALL TABLES IN SCHEMA registry TO {KEEPER}; "
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA registry TO {KEEPER}"
        )
    try:
        yield
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {KEEPER}; DROP ROLE {KEEPER}")


@contextmanager
def with_roles(**roles: object) -> Iterator[None]:
    """Have `ROLES` be set, for a login that is there; schemas that are made in the block get roles."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS {SERVER}; CREATE ROLE {SERVER} LOGIN NOINHERIT")
    try:
        with override_settings(TENANCY={**conf.tenancy, "ROLES": {"SERVING": SERVER, **roles}}):
            yield
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname ~ %s", [rf"^{SERVER}(\.|$)"])
            names = [quote(name) for (name,) in cursor.fetchall()]
        for db in DATABASES:
            with connections[db].cursor() as cursor:
                cursor.execute(f"DROP OWNED BY {', '.join(names)}")
        with connections["default"].cursor() as cursor:
            cursor.execute(f"DROP ROLE {', '.join(names)}")


@contextmanager
def logged_in(login: str, settings: Mapping[str, object] | None = None, **options: object) -> Iterator[None]:
    """Have new connections be of a login, with other settings too."""
    connections.close_all()
    with pytest.MonkeyPatch.context() as patch:
        for alias in connections:
            if primary_of(alias) in DATABASES:
                found = connections[alias].settings_dict
                options = {**found["OPTIONS"], **options}
                for key, value in {**(settings or {}), "USER": login, "OPTIONS": options}.items():
                    patch.setitem(found, key, value)
                # Django remembers what it made of them.
                patch.setattr(connections[alias], "features", DatabaseFeatures(connections[alias]))
        yield
        connections.close_all()

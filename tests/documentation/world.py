"""The databases in which the blocks run: three tenants with rows. Made once; each page has a copy of its own."""

from contextlib import closing

import environ
import psycopg2
from django.core.management import call_command
from django.db import connections

__all__ = ["copy", "make"]

_VARIABLES = ("DATABASE_URL", "DATABASE_URL_SHARD2")


def make() -> None:
    """Make the migrations, the registry, the tenants and their rows, and keep what came of it to be copied."""
    call_command("makemigrations", "tickets", "plans", verbosity=0)
    call_command("migrate", verbosity=0)
    _fill()
    connections.close_all()
    for url in _urls():
        _send(url, 'DROP DATABASE IF EXISTS "{0}_kept"', 'CREATE DATABASE "{0}_kept" TEMPLATE "{0}"')


def copy() -> None:
    """Have the databases be as they were made."""
    for url in _urls():
        _send(url, 'DROP DATABASE IF EXISTS "{0}" WITH (FORCE)', 'CREATE DATABASE "{0}" TEMPLATE "{0}_kept"')


def _fill() -> None:
    from django.contrib.auth.models import User
    from plans.models import Account, Plan
    from tickets.models import ApiKey, Ticket

    from tenancy import tenant_context
    from tenancy.models import Tenant

    Plan.objects.create(name="Large")
    Account.objects.create(name="Ada")
    for name, db, user, tickets in _TENANTS:
        with tenant_context(Tenant.objects.create(name=name, db=db)):
            User.objects.create_user(user, f"{user}@{name.lower()}.example")
            ApiKey.objects.create(key=f"of {name}")
            Ticket.objects.bulk_create(Ticket(subject=f"{name} {status}", status=status) for status in tickets)


_TENANTS = (
    ("Acme", "default", "ada", ("open", "waiting")),
    ("Globex", "default", "gina", ("waiting",)),
    ("Initech", "shard2", "ines", ("open",)),
)


def _urls() -> list[str]:
    return [environ.Env().str(name) for name in _VARIABLES]


def _send(url: str, *statements: str) -> None:
    """Send statements about a database while nobody is in it."""
    server, _, name = url.rpartition("/")
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(name.partition("?")[0]))

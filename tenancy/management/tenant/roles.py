"""`tenant roles`: rights for what was there before `ROLES` was set."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...privileges import give_login, give_tenant, served_databases
from ...states import Status
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Roles(Subcommand):
    """Give the login that serves, and the roles of tenants' schemas, the rights that `ROLES` means."""

    name = "roles"
    help = "Make the role of each tenant's schema, and give it and the login that serves their rights (TENANCY ROLES)."
    examples = ("roles --all", "roles acme")
    everyone = (Status.ACTIVE, Status.SUSPENDED)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        databases = served_databases()
        if not databases:
            raise CommandError("TENANCY['ROLES'] names no login that serves.")
        for db in databases:
            for environment in give_login(db):
                self.say(f"{db}: the login that serves may read and write environment {environment}.")
        self.each(self.selected(options), give_tenant)


SUBCOMMANDS = (Roles,)

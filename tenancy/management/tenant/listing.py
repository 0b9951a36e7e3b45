"""`tenant list` and `tenant show`: what the registry knows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from ...models import AbstractTenant
from ...registry import domain_model, tenant_model
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS", "facts_of"]


class List(Subcommand):
    """List all tenants as a table or as JSON."""

    name = "list"
    help = "List all tenants."

    def add_arguments(self, parser: CommandParser) -> None:
        pass

    def handle(self, options: dict[str, Any]) -> None:
        tenants = list(tenant_model()._default_manager.all())
        if options["json"]:
            self.dump(facts_of(tenants))
        else:
            self.table(
                ("SLUG", "STATUS", "DATABASE", "SCHEMA", "NAME"),
                [(tenant.slug, tenant.status, tenant.db, tenant.schema_name, tenant.name) for tenant in tenants],
            )


class Show(Subcommand):
    """Show tenants in full."""

    name = "show"
    help = "Show tenants in full."
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        tenants = self.selected(options)
        if options["json"]:
            self.dump(facts_of(tenants))
            return
        for facts in facts_of(tenants):
            for key, value in facts.items():
                shown = ", ".join(value) if isinstance(value, list) else value
                self.say(f"{key:>15}  {shown}")
            self.say("")


SUBCOMMANDS = (List, Show)


def facts_of(tenants: Sequence[AbstractTenant]) -> list[dict[str, Any]]:
    """What is known of each tenant, for people and machines; one query for the hosts of all."""
    hosts = defaultdict(list)
    for pk, host in domain_model()._default_manager.values_list("tenant_id", "host"):
        hosts[pk].append(host)
    return [
        {
            "slug": tenant.slug,
            "name": tenant.name,
            "status": tenant.status,
            "status_reason": tenant.status_reason,
            "db": tenant.db,
            "schema_name": tenant.schema_name,
            "id": str(tenant.pk),
            "domains": hosts[tenant.pk],
            "created_at": tenant.created_at.isoformat(),
        }
        for tenant in tenants
    ]

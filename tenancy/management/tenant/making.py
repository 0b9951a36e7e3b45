"""`tenant create` and `provision`: schemas are made."""

from time import perf_counter
from typing import Any

from django.core.management.base import CommandParser

from ... import lifecycle
from ...exceptions import TenantExists
from ...hosts import canonical_host
from ...provisioning import unfinished
from ...registry import domain_model, tenant_model
from ...states import Status
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Create(Subcommand):
    """Make a tenant with its domains, and tell how long it took."""

    name = "create"
    help = "Create a tenant and its schema."
    examples = ('create "Acme Inc."', 'create "Acme Inc." --slug acme --db shard2 --domain help.acme.example --json')

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--slug", default="", help="Made from the name if left out.")
        parser.add_argument("--schema", default="", help="Made from the slug if left out.")
        parser.add_argument("--db", default="", help="Alias of the database; chosen by TENANCY['PLACING'] if left out.")
        parser.add_argument("--domain", action="append", default=[], metavar="HOST", help="May be repeated.")

    def handle(self, options: dict[str, Any]) -> None:
        started_s = perf_counter()
        hosts = [canonical_host(host) for host in options["domain"]]
        given = {"slug": options["slug"], "schema_name": options["schema"], "db": options["db"]}
        # One that was cut off goes on.
        tenant = unfinished(options["name"], **given)
        taken = domain_model()._default_manager.filter(host__in=hosts)
        if tenant is not None:
            taken = taken.exclude(tenant_id=tenant.pk)
        if taken:
            raise TenantExists(f"Host {', '.join(map(str, taken))} is taken by another tenant: nothing was done.")
        if tenant is None:
            tenant = tenant_model()(name=options["name"], **given)
            tenant.save()
        else:
            lifecycle.resume_work(tenant)
        for host in hosts:
            lifecycle.add_domain(tenant, host)
        done = self.style.SUCCESS(f"Tenant {tenant.slug} is {tenant.status}")
        self.told(tenant, f"{done}: {tenant.placement}, {perf_counter() - started_s:.2f} s")


class Provision(Subcommand):
    """Make the schemas that could not be made, or were not made to the end."""

    name = "provision"
    help = "Try again where provisioning failed or was cut off."
    examples = ("provision acme", "provision --all")
    everyone = (Status.FAILED, Status.PROVISIONING)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.resume_work)


SUBCOMMANDS = (Create, Provision)

"""`tenant create` and `provision`: schemas are made."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from django.core.management.base import CommandParser

from django_schemas.blueprint import Part
from django_schemas.making import blueprint_of

from ... import lifecycle
from ...conf import conf
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


class Blueprint(Subcommand):
    """The statements that schemas of new tenants are made by: made beforehand, after a deployment for example."""

    name = "blueprint"
    help = "Make what new tenants' schemas are made by, and tell what of it runs live."
    examples = ("blueprint", "blueprint --renew --json")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--renew", action="store_true", help="Make it even if there is one.")

    def handle(self, options: dict[str, Any]) -> None:
        # One may serve several databases; each that was asked for has it then.
        told = [_told(db, blueprint_of(db, conf.environment, renew=options["renew"])) for db in conf.databases]
        if self.for_machines:
            self.dump(told)
            return
        for each in told:
            if not each["parts"]:
                self.say(f"{each['db']}: none, since an app has no migrations; schemas are made by migrating.")
                continue
            self.say(f"{each['db']}: {each['migrations']} migrations, {each['bytes']:,} bytes of SQL")
            for live in each["live"]:
                self.say(f"  runs live: {live}")


def _told(db: str, blueprint: Sequence[Part] | None) -> dict[str, Any]:
    parts = blueprint or ()
    return {
        "db": db,
        "parts": len(parts),
        "migrations": sum(len(part.done) for part in parts),
        "bytes": sum(len(part.sql.encode()) for part in parts),
        "live": [
            f"{part.app}.{part.name}" + (f", operation {part.number + 1}" if part.kind == "live" else "")
            for part in parts
            if part.kind in ("live", "migration")
        ],
    }


SUBCOMMANDS = (Create, Provision, Blueprint)

"""`tenant create`, `provision`, `cancel`, `blueprint` and `pool`: schemas are made, or made ready."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize

from django_schemas.blueprint import Part
from django_schemas.making import blueprint_of

from ... import lifecycle
from ...conf import conf
from ...exceptions import TenantExists
from ...filling import fill, ready, sweep
from ...hosts import canonical_host
from ...provisioning import reason_of, reporting, unfinished
from ...registry import domain_model, tenant_model
from ...standing import plan
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
        with self.progress(len(plan())) as advance, reporting(_counting(advance)):
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


class Cancel(Subcommand):
    """Give up tenants that are being made."""

    name = "cancel"
    help = "Give up tenants that are being made, in whichever process: they are failed, and have no schema."
    examples = ("cancel acme", "cancel --all --db shard2")
    everyone = (Status.PROVISIONING,)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.cancel)


class Pool(Subcommand):
    """Make schemas that new tenants take; drop those that are of no use any more."""

    name = "pool"
    help = "Have schemas ready wherever new tenants may be placed; drop those that are stale, or where none may be."
    examples = ("pool", "pool --size 20 --json", "pool --drop")

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "--size", type=int, metavar="N", help="How many in each database; TENANCY['POOL'] if left out."
        )
        group.add_argument("--drop", action="store_true", help="Drop them all, and make none.")

    def handle(self, options: dict[str, Any]) -> None:
        size = conf.pool if options["size"] is None else options["size"]
        done = [
            self._one(db, 0 if options["drop"] or not weight else size, options["drop"] or not weight)
            for db, weight in conf.weights.items()
        ]
        if self.for_machines:
            self.dump(done)
        failed = [each["db"] for each in done if each["error"]]
        if failed:
            raise CommandError(f"Not done for {', '.join(failed)}.")

    def _one(self, db: str, size: int, everything: bool) -> dict[str, Any]:
        done: dict[str, Any] = {"db": db, "ready": 0, "made": 0, "dropped": 0, "error": ""}
        try:
            done["dropped"] = len(sweep(db, everything))
            with self.progress(size - ready(db)) as advance:
                for _ in fill(db, size):
                    done["made"] += 1
                    advance()
            done["ready"] = ready(db)
        except Exception as error:
            done["error"] = reason_of(error)
            self.stderr.write(self.style.ERROR(f"{db}: {done['error']}"))
        if not self.for_machines:
            self.say(f"{db}: {done['made']} made, {done['dropped']} dropped, {done['ready']} ready")
        return done


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
            count = each["migrations"]
            self.say(f"{each['db']}: {count} migration{pluralize(count)}, {each['bytes']:,} bytes of SQL")
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


def _counting(advance: Callable[[], None]) -> Callable[..., None]:
    def report(action: str, *args: Any, **kwargs: Any) -> None:
        if action == "apply_success":
            advance()

    return report


SUBCOMMANDS = (Create, Provision, Cancel, Blueprint, Pool)

"""`tenant create`, `provision`, `cancel`, `pool` and `migrate`: schemas are made, and brought up to date."""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_schemas.drift import Key

from ... import lifecycle
from ...conf import conf
from ...exceptions import TenantExists
from ...filling import fill, ready, sweep
from ...fleet import behind
from ...hosts import canonical_host
from ...models import AbstractTenant
from ...provisioning import migrate, reason_of, reporting, unfinished
from ...registry import domain_model, tenant_model
from ...standing import plan
from ...states import Status
from .subcommand import Subcommand
from .workers import Outcome

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
    help = "Have schemas ready for new tenants in each database of TENANCY['DATABASES']; drop those that are stale."
    examples = ("pool", "pool --size 20 --json", "pool --drop")

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "--size", type=int, metavar="N", help="How many in each database; TENANCY['POOL'] if left out."
        )
        group.add_argument("--drop", action="store_true", help="Drop them all, and make none.")

    def handle(self, options: dict[str, Any]) -> None:
        size = conf.pool if options["size"] is None else options["size"]
        done = [self._one(db, 0 if options["drop"] else size, options["drop"]) for db in conf.databases]
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


class Migrate(Subcommand):
    """Migrate tenants; one that fails does not keep the others from being migrated."""

    name = "migrate"
    help = "Bring tenants' schemas to the newest migrations. One that fails does not stop the rest."
    examples = (
        "migrate acme",
        "migrate --all --plan",
        "migrate --all --exclude acme --parallel 4 --lock-timeout 5s",
        "migrate --db shard2 --json",
    )
    everyone = (Status.ACTIVE, Status.SUSPENDED)
    parallel = True

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument("--plan", action="store_true", help="Tell what would be done, and do nothing.")
        parser.add_argument(
            "--lock-timeout",
            metavar="TIME",
            help="Wait no longer for a table's lock: '5s', '200ms'; that tenant fails.",
        )

    def handle(self, options: dict[str, Any]) -> None:
        tenants = self.selected(options)
        if options["plan"]:
            late = behind(tenants)
            self.conclude([self.tell(Outcome(tenant.slug, _planned(late.get(tenant, [])))) for tenant in tenants])
            return
        # Once for all of them; code that calls a command runs none.
        if not options.get("skip_checks"):
            self.command.check(databases=sorted({tenant.db for tenant in tenants}))
        self.each(tenants, partial(_bring_up, lock_timeout=options["lock_timeout"]))


SUBCOMMANDS = (Create, Provision, Cancel, Pool, Migrate)


def _counting(advance: Callable[[], None]) -> Callable[..., None]:
    def report(action: str, *args: Any, **kwargs: Any) -> None:
        if action == "apply_success":
            advance()

    return report


def _bring_up(tenant: AbstractTenant, lock_timeout: str | None) -> str:
    plan = migrate(tenant, lock_timeout=lock_timeout)
    return f"{len(plan.steps)} migrations applied" if plan else "nothing to migrate"


def _planned(missing: Sequence[Key]) -> str:
    return f"would apply {', '.join(map('.'.join, missing))}" if missing else "nothing to migrate"

"""`manage.py tenant ...`: the whole life of tenants from the command line. Parses, calls, tells; no rule lives here."""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_schemas.exceptions import SchemasError

from ... import lifecycle
from ...context import tenant_context
from ...exceptions import TenancyError, TenantExists
from ...hosts import canonical_host
from ...models import AbstractTenant
from ...provisioning import migrate, provision
from ...registry import domain_model, tenant_model

__all__ = ["Command"]

# The class below has a method `list`, so the type is named before it.
Slugs = list[str]
Tenants = list[AbstractTenant]

_EXAMPLES = """
examples:
  manage.py tenant create "Acme Inc." --slug acme --domain help.acme.example
  manage.py tenant list --json
  manage.py tenant migrate --all
  manage.py tenant run acme -- loaddata customers.json
  manage.py tenant delete acme --yes-really=acme
"""


class Command(BaseCommand):
    """One command; each subcommand is the method of its name."""

    help = "Create, list, migrate, suspend, delete ... tenants."
    requires_system_checks: Any = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Make the parser, with examples below its help."""
        kwargs |= {"epilog": _EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the subcommands."""
        subcommands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")

        create = subcommands.add_parser("create", help="Create a tenant and its schema.")
        create.add_argument("name", metavar="NAME")
        create.add_argument("--slug", default="", help="Made from the name if left out.")
        create.add_argument("--schema", default="", help="Made from the slug if left out.")
        create.add_argument("--db", default="", help="Alias of the database; chosen by TENANCY['PLACING'] if left out.")
        create.add_argument("--domain", action="append", default=[], metavar="HOST", help="May be repeated.")

        listing = subcommands.add_parser("list", help="List all tenants.")
        for name, text in {
            "show": "Show tenants in full.",
            "migrate": "Bring tenants' schemas to the newest migrations.",
            "provision": "Try again where provisioning failed or was cut off.",
            "suspend": "Stop serving tenants: 403.",
            "resume": "Serve suspended tenants again.",
            "delete": "Stop serving tenants for good; their data stay until they are purged.",
            "restore": "Serve deleted tenants again.",
            "purge": "Drop deleted tenants' schemas with all their data.",
        }.items():
            subparser = subcommands.add_parser(name, help=text)
            subparser.add_argument("slugs", nargs="*", metavar="SLUG")
            if name in ("show", "migrate", "provision"):
                subparser.add_argument("--all", action="store_true", help="All tenants that this can be done to.")
            if name in ("delete", "purge"):
                subparser.add_argument(
                    "--yes-really", action="append", default=[], metavar="SLUG", help="Do it without asking for SLUG."
                )
            if name == "show":
                subparser.add_argument("--json", action="store_true")
        for subparser in (create, listing):
            subparser.add_argument("--json", action="store_true", help="For machines.")

        run = subcommands.add_parser("run", help="Run another command inside a tenant.")
        run.add_argument("slug", metavar="SLUG")
        run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ARGS...")

    def handle(self, *args: Any, **options: Any) -> None:
        """Call the subcommand's method; what it can't do is an error, told without a traceback."""
        try:
            getattr(self, options["subcommand"])(options)
        except (TenancyError, SchemasError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error

    def create(self, options: dict[str, Any]) -> None:
        """Create a tenant with its domains, and tell how long it took."""
        started_s = perf_counter()
        hosts = [canonical_host(host) for host in options["domain"]]
        taken = domain_model()._default_manager.filter(host__in=hosts).values_list("host", flat=True)
        if taken:
            raise TenantExists(f"Host {', '.join(taken)} is taken by another tenant: nothing was done.")
        tenant = tenant_model()(
            name=options["name"], slug=options["slug"], schema_name=options["schema"], db=options["db"]
        )
        tenant.save()
        for host in hosts:
            domain_model()(host=host, tenant_id=tenant.pk).save()
        if options["json"]:
            self._dump(_facts([tenant])[0])
        else:
            self.stdout.write(
                self.style.SUCCESS(f"Tenant {tenant.slug} is {tenant.status}")
                + f": {tenant.placement}, {perf_counter() - started_s:.2f} s"
            )

    def list(self, options: dict[str, Any]) -> None:
        """List all tenants as a table or as JSON."""
        tenants = list(tenant_model()._default_manager.all())
        if options["json"]:
            self._dump(_facts(tenants))
        else:
            self._table(tenants)

    def show(self, options: dict[str, Any]) -> None:
        """Show tenants in full."""
        tenants = self._selected(options)
        if options["json"]:
            self._dump(_facts(tenants))
            return
        for facts in _facts(tenants):
            for key, value in facts.items():
                shown = ", ".join(value) if isinstance(value, list) else value
                self.stdout.write(f"{key:>15}  {shown}")
            self.stdout.write("")

    def migrate(self, options: dict[str, Any]) -> None:
        """Migrate tenants; one that fails does not keep the others from being migrated."""

        def bring_up(tenant: AbstractTenant) -> str:
            plan = migrate(tenant)
            return f"{len(plan.steps)} migrations applied" if plan else "nothing to migrate"

        self._each(self._selected(options, ("active", "suspended")), bring_up)

    def provision(self, options: dict[str, Any]) -> None:
        """Provision tenants again."""
        self._each(self._selected(options, ("failed", "provisioning")), provision)

    def suspend(self, options: dict[str, Any]) -> None:
        """Suspend tenants."""
        self._each(self._selected(options), lifecycle.suspend)

    def resume(self, options: dict[str, Any]) -> None:
        """Resume tenants."""
        self._each(self._selected(options), lifecycle.resume)

    def delete(self, options: dict[str, Any]) -> None:
        """Delete tenants, each after its slug was typed."""
        tenants = self._selected(options)
        self._confirm(tenants, options["yes_really"], "It is no longer served; `tenant restore` brings it back.")
        self._each(tenants, lifecycle.delete)

    def restore(self, options: dict[str, Any]) -> None:
        """Restore deleted tenants."""
        self._each(self._selected(options), lifecycle.restore)

    def purge(self, options: dict[str, Any]) -> None:
        """Purge deleted tenants, each after its slug was typed."""
        tenants = self._selected(options)
        self._confirm(tenants, options["yes_really"], "ALL ITS DATA ARE DROPPED. This can't be undone.")
        self._each(tenants, lifecycle.purge)

    def run(self, options: dict[str, Any]) -> None:
        """Run another command inside a tenant, with its arguments passed through."""
        words = [word for index, word in enumerate(options["command"]) if (index, word) != (0, "--")]
        if not words:
            raise CommandError("Say what to run: tenant run SLUG -- COMMAND ARGS...")
        name, *args = words
        (tenant,) = self._find([options["slug"]])
        command = _load(name)
        # It would use `default` otherwise.
        if _takes_database(command, name) and not any(word.startswith("--database") for word in args):
            args.append(f"--database={tenant.db}")
        # Django looks for records of migrations in `public`, where a tenant has none.
        command.requires_migrations_checks = False
        with tenant_context(tenant):
            # The streams themselves: a wrapper around ours would end every piece of output with a new line.
            call_command(command, *args, stdout=self.stdout._out, stderr=self.stderr._out)

    def _selected(self, options: dict[str, Any], statuses: tuple[str, ...] = ()) -> Tenants:
        if options.get("all"):
            if options["slugs"]:
                raise CommandError("Name tenants, or say --all, not both.")
            everyone = tenant_model()._default_manager.all()
            return [*(everyone.filter(status__in=statuses) if statuses else everyone)]
        if not options["slugs"]:
            raise CommandError("Name at least one tenant" + (", or say --all." if "all" in options else "."))
        return self._find(options["slugs"])

    def _find(self, slugs: Slugs) -> Tenants:
        found = {tenant.slug: tenant for tenant in tenant_model()._default_manager.filter(slug__in=slugs)}
        missing = [slug for slug in slugs if slug not in found]
        if missing:
            raise CommandError(f"There is no tenant {', '.join(missing)}.")
        return [found[slug] for slug in dict.fromkeys(slugs)]

    def _confirm(self, tenants: Iterable[AbstractTenant], given: Slugs, consequence: str) -> None:
        for tenant in tenants:
            if tenant.slug in given:
                continue
            if not sys.stdin.isatty():
                raise CommandError(f"Nobody is here to ask: say --yes-really={tenant.slug}.")
            self.stdout.write(f"Tenant {tenant.slug} ({tenant.name}, {tenant.placement}). {consequence}")
            if input("Type its slug to go on: ") != tenant.slug:
                raise CommandError("That is not its slug: nothing was done.")

    def _each(self, tenants: Iterable[AbstractTenant], function: Any) -> None:
        """Do something to each tenant, tell of each, and fail in the end if any failed."""
        failed = []
        for tenant in tenants:
            try:
                said = function(tenant)
            except Exception as error:
                failed.append(tenant.slug)
                self.stderr.write(self.style.ERROR(f"{tenant.slug}: {type(error).__name__}: {error}"))
            else:
                self.stdout.write(f"{tenant.slug}: {said or tenant.status}")
        if failed:
            raise CommandError(f"Not done for {', '.join(failed)}.")

    def _table(self, tenants: Iterable[AbstractTenant]) -> None:
        rows = [("SLUG", "STATUS", "DATABASE", "SCHEMA", "NAME")]
        rows += [(tenant.slug, tenant.status, tenant.db, tenant.schema_name, tenant.name) for tenant in tenants]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip())

    def _dump(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, indent=2))


def _load(name: str) -> BaseCommand:
    app = get_commands().get(name)
    if app is None:
        raise CommandError(f"There is no command {name!r}.")
    return load_command_class(app, name) if isinstance(app, str) else app


def _takes_database(command: BaseCommand, name: str) -> bool:
    """Tell whether a command can be told which database to use."""
    return any(action.dest == "database" for action in command.create_parser("manage.py", name)._actions)


def _facts(tenants: Tenants) -> list[dict[str, Any]]:
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

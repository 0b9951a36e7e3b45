"""`tenant adopt`: tables of a project with one customer, and schemas of another package's tenants, are taken over."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from django_schemas.exceptions import SchemasError

from ...conf import conf
from ...exceptions import TenancyError
from ...lifecycle.adoption import adopt_schema, adopt_tables, forget_records, moves_of, registered
from ...lifecycle.former import Former, former_tenants
from ...models import slug_of
from ...registry import tenant_model
from .failing import UsageError, told
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Adopt(Subcommand):
    """Make tenants of what is there: tables of one customer, or whole schemas."""

    name = "adopt"
    help = "Take over a project's tables, or another package's schemas, where they are."
    json = False
    examples = (
        "adopt --from public Acme --dry-run",
        "adopt --schemas --tenant-table public.customers_client --domain-table public.customers_domain",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="The new tenant's name; with --schemas, names of schemas."
        )
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument("--from", dest="source", metavar="SCHEMA", help="Move its tables into a new tenant's schema.")
        way.add_argument("--schemas", action="store_true", help="Take over schemas of tenants, as they are.")
        parser.add_argument("--slug", default="", help="With --from: made from the name if left out.")
        parser.add_argument("--schema", default="", help="With --from: made from the slug if left out.")
        parser.add_argument(
            "--table", action="append", default=[], help="With --from: move this too, which no model has; repeatable."
        )
        parser.add_argument("--db", default="", help="Alias of the database they are in; the first if left out.")
        parser.add_argument(
            "--tenant-table", metavar="SCHEMA.TABLE", help="With --schemas: has a row for each, with its schema_name."
        )
        parser.add_argument(
            "--domain-table", metavar="SCHEMA.TABLE", help="With --schemas: their hosts, by tenant_id and domain."
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")

    def handle(self, options: dict[str, Any]) -> None:
        _refuse_odd(options)
        db = options["db"] or conf.databases[0]
        if options["source"]:
            self._adopt_tables(db, options)
        else:
            self._adopt_schemas(db, options)

    def _adopt_tables(self, db: str, options: dict[str, Any]) -> None:
        if len(options["names"]) != 1:
            raise UsageError("Give the new tenant one name: tenant adopt --from SCHEMA NAME.")
        tenant = tenant_model()(name=options["names"][0], slug=options["slug"], schema_name=options["schema"], db=db)
        moves = (moves_of if options["dry_run"] else adopt_tables)(tenant, options["source"], options["table"])
        would = "would be " if options["dry_run"] else ""
        self.say(f"{tenant.slug}: {len(moves.tables)} tables {would}moved from {moves.source} to {tenant.placement}")
        for table in moves.tables:
            self.say(f"  {table}")
        self.say(f"Records of migrations {would}moved: {', '.join(moves.labels) or 'none'}")
        if moves.shared:
            self.say(f"Records {would}copied, of apps with models that stay: {', '.join(moves.shared)}")
        self.say(f"Stay in {moves.source}: {', '.join(moves.left) or 'no tables'}")

    def _adopt_schemas(self, db: str, options: dict[str, Any]) -> None:
        failed = []
        for former in self._formers(db, options):
            try:
                self.say(f"{former.schema}: {_adopt_schema(db, former, options['dry_run'])}")
            except (TenancyError, SchemasError, ValidationError) as error:
                failed.append(former.schema)
                said = told(error) if isinstance(error, ValidationError) else str(error)
                self.stderr.write(self.style.ERROR(f"{former.schema}: {said}"))
        if not options["dry_run"]:
            for schema, labels in forget_records(db).items():
                self.say(f"{schema}: records of {', '.join(labels)} deleted, which live elsewhere")
        if failed:
            raise CommandError(f"Not adopted: {', '.join(failed)}. What was done stays: say the same again.")

    def _formers(self, db: str, options: dict[str, Any]) -> list[Former]:
        """Those that were chosen."""
        if not options["tenant_table"]:
            if not options["names"]:
                raise UsageError("Name schemas, or the table that names them: --tenant-table SCHEMA.TABLE.")
            return [Former(schema, schema) for schema in options["names"]]
        found = former_tenants(db, options["tenant_table"], options["domain_table"])
        names = options["names"] or [former.schema for former in found]
        unknown = sorted(set(names) - {former.schema for former in found})
        if unknown:
            raise CommandError(f"Table {options['tenant_table']} has no row for {', '.join(unknown)}.")
        return [former for former in found if former.schema in names]


SUBCOMMANDS = (Adopt,)


def _refuse_odd(options: dict[str, Any]) -> None:
    """Refuse options that mean nothing for the chosen way, instead of doing without them."""
    odd = ("tenant_table", "domain_table") if options["source"] else ("slug", "schema", "table")
    if not options["source"] and not options["tenant_table"]:
        odd = (*odd, "domain_table")
    given = [f"--{name.replace('_', '-')}" for name in odd if options[name]]
    if given:
        raise UsageError(f"{', '.join(given)} means nothing here: see `manage.py tenant adopt --help`.")


def _adopt_schema(db: str, former: Former, dry_run: bool) -> str:
    known = registered(db, former.schema)
    if known is not None:
        return f"is {known.slug}'s already"
    tenant = tenant_model()(name=former.name, slug=slug_of(former.schema), schema_name=former.schema, db=db)
    labels = adopt_schema(tenant, former.hosts, dry_run=dry_run)
    reached = f", reached by {', '.join(host.host for host in former.hosts)}" if former.hosts else ""
    records = f"; records of {', '.join(labels)} deleted" if labels else ""
    folders = f"; {', '.join(former.folders)} is no host" if former.folders else ""
    return f"{'would become' if dry_run else 'is'} {tenant.slug} ({tenant.name}){reached}{records}{folders}"

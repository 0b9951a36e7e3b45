"""`tenant adopt`: tables of a project with one customer, and schemas of another package's tenants, are taken over."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import connections

from django_schemas.exceptions import SchemasError
from django_schemas.identifiers import is_reserved, qualified

from ...conf import conf
from ...exceptions import TenancyError
from ...lifecycle.adoption import Host, adopt_schema, adopt_tables, forget_records, moves_of, registered
from ...models import AbstractTenant, slug_of
from ...registry import tenant_model
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Adopt(Subcommand):
    """Make tenants of what is there: tables of one customer, or whole schemas."""

    name = "adopt"
    help = "Take over a project's tables, or another package's schemas, where they are."

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
        db = options["db"] or conf.databases[0]
        if options["source"]:
            self._adopt_tables(db, options)
        else:
            self._adopt_schemas(db, options)

    def _adopt_tables(self, db: str, options: dict[str, Any]) -> None:
        if len(options["names"]) != 1:
            raise CommandError("Give the new tenant one name: tenant adopt --from SCHEMA NAME.")
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
        rows = {schema: (name, hosts) for schema, name, hosts in self._rows(db, options)}
        chosen = options["names"] or list(rows)
        if not chosen:
            raise CommandError("Name schemas, or the table that names them: --tenant-table SCHEMA.TABLE.")
        unknown = [schema for schema in chosen if rows and schema not in rows]
        if unknown:
            raise CommandError(f"Table {options['tenant_table']} has no row for {', '.join(unknown)}.")
        failed = []
        for schema in chosen:
            name, hosts = rows.get(schema, (schema, []))
            try:
                self.say(f"{schema}: {self._adopt_schema(db, schema, name, hosts, options['dry_run'])}")
            except (TenancyError, SchemasError, ValidationError) as error:
                failed.append(schema)
                said = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
                self.stderr.write(self.style.ERROR(f"{schema}: {said}"))
        if not options["dry_run"]:
            for schema, labels in forget_records(db).items():
                self.say(f"{schema}: records of {', '.join(labels)} deleted, which live elsewhere")
        if failed:
            raise CommandError(f"Not adopted: {', '.join(failed)}. What was done stays: say the same again.")

    def _adopt_schema(self, db: str, schema: str, name: str, hosts: list[Host], dry_run: bool) -> str:
        known = registered(db, schema)
        if known is not None:
            return f"is {known.slug}'s already"
        tenant = tenant_model()(name=name, slug=slug_of(schema), schema_name=schema, db=db)
        labels = adopt_schema(tenant, hosts, dry_run=dry_run)
        return _said(tenant, hosts, labels, dry_run)

    def _rows(self, db: str, options: dict[str, Any]) -> Iterator[tuple[str, str, list[Host]]]:
        """The schemas that the tables name, each with the tenant's name and hosts."""
        if not options["tenant_table"]:
            if options["domain_table"]:
                raise CommandError("Say whose hosts they are: --tenant-table SCHEMA.TABLE.")
            return
        hosts: dict[Any, list[Host]] = defaultdict(list)
        for row in _read(db, options["domain_table"]) if options["domain_table"] else ():
            if row.get("folder"):
                self.stderr.write(f"{row['domain']}/{row['folder']} is no host: its tenant gets none for it.")
                continue
            primary = bool(row.get("is_primary")) and not any(host.is_primary for host in hosts[row["tenant_id"]])
            redirects = bool(row.get("redirect_to_primary")) and not primary
            hosts[row["tenant_id"]].append(Host(row["domain"], primary, redirects))
        for row in _read(db, options["tenant_table"]):
            schema = row["schema_name"]
            if is_reserved(schema):
                self.say(f"{schema}: is no tenant's, left as it is")
            else:
                yield schema, str(row.get("name") or schema), hosts[row["id"]]


SUBCOMMANDS = (Adopt,)


def _read(db: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order of their keys.

    Raises:
        CommandError: its name is no `schema.table`.
    """
    parts = re.fullmatch(r"([^.]+)\.([^.]+)", table)
    if parts is None:
        raise CommandError(f"{table!r} is no SCHEMA.TABLE: write public.{table} if it is in public.")
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [qualified(parts[1], parts[2])])
        if cursor.fetchone() == (None,):
            raise CommandError(f"There is no table {table} in database {db}.")
        cursor.execute(f"SELECT to_jsonb(t)::text FROM {qualified(parts[1], parts[2])} t ORDER BY id")
        return [json.loads(row) for (row,) in cursor.fetchall()]


def _said(tenant: AbstractTenant, hosts: list[Host], labels: list[str], dry_run: bool) -> str:
    would = "would become" if dry_run else "is"
    reached = f", reached by {', '.join(host.host for host in hosts)}" if hosts else ""
    records = f"; records of {', '.join(labels)} deleted" if labels else ""
    return f"{would} {tenant.slug} ({tenant.name}){reached}{records}"

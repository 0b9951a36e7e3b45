"""`tenant move`: to another database, or another node of its own, without losing a write."""

from typing import Any

from django.core.management.base import CommandParser

from ... import lifecycle
from ...lifecycle.node_move import move_to_node, refuse_node
from ...models import AbstractTenant
from .failing import UsageError
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Move(Subcommand):
    """Move a tenant, go on with its move, take that back, or only tell what it would do."""

    name = "move"
    help = (
        "Move a tenant to another database: it is not served meanwhile (503), and no write is lost. "
        "Or to another node of its Citus cluster: it is served meanwhile."
    )
    examples = (
        "move acme --to shard2 --dry-run",
        "move acme --to shard2",
        "move acme --abort",
        "move acme --to-node 10.0.0.3:5432",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--to", metavar="ALIAS", help="The database. The same command goes on with a cut-off move.")
        parser.add_argument("--to-node", metavar="HOST:PORT", help="The node, within a database of Citus's.")
        parser.add_argument("--dry-run", action="store_true", help="Tell what would be done, and change nothing.")
        parser.add_argument("--abort", action="store_true", help="Leave the tenant where it is, if that can still be.")
        parser.add_argument("--drop-source", action="store_true", help="Drop the old schema at once.")
        parser.add_argument(
            "--yes-really", action="append", default=[], metavar="SLUG", help="Drop it without asking for SLUG."
        )

    def handle(self, options: dict[str, Any]) -> None:
        (tenant,) = self.find([options["slug"]])
        if sum(map(bool, (options["to"], options["to_node"], options["abort"]))) != 1:
            raise UsageError("Say where: --to ALIAS, or --to-node HOST:PORT; or --abort.")
        if options["to_node"]:
            self._to_node(tenant, options)
        elif options["abort"]:
            lifecycle.abort_move(tenant)
            self.told(tenant, f"{tenant.slug}: {tenant.status}, at {tenant.placement} as before")
        elif options["dry_run"]:
            self._tell(tenant, options["to"])
        else:
            self._move(tenant, options)

    def _to_node(self, tenant: AbstractTenant, options: dict[str, Any]) -> None:
        node = options["to_node"]
        if options["drop_source"]:
            raise UsageError("--drop-source goes with --to: nothing is left on the former node.")
        if options["dry_run"]:
            refuse_node(tenant, node)
            self.say(f"{tenant.slug}: could be moved to {node}, and served meanwhile. Nothing was done.")
            return
        moved = move_to_node(tenant, node)
        told = f"{tenant.slug}: moved from {moved.old} to {moved.new} in {moved.seconds:.1f} s; served meanwhile."
        self.told(tenant, self.style.SUCCESS(told))

    def _tell(self, tenant: AbstractTenant, to: str) -> None:
        seen = lifecycle.outlook(tenant, to)
        self.say(
            f"{tenant.slug}: {seen.size}: {seen.old} -> {seen.new}. Not served for about {seen.about_s:.0f} s. "
            f"The old schema would be called {seen.aside}. Nothing was done."
        )

    def _move(self, tenant: AbstractTenant, options: dict[str, Any]) -> None:
        if options["drop_source"]:
            self.confirm([tenant], options, "Once it is moved, the old schema is DROPPED.")
        moved = lifecycle.move(tenant, options["to"], drop_source=options["drop_source"])
        self.told(
            tenant,
            self.style.SUCCESS(f"{tenant.slug}: moved to {moved.new}")
            + (f", {moved.rows:,} rows" if moved.rows is not None else "")
            + f"; not served for {moved.gap_s:.2f} s"
            + (f". Left: {moved.aside}, until `tenant purge {tenant.slug} --leftovers`." if moved.aside else "."),
        )


SUBCOMMANDS = (Move,)

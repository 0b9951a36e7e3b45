"""`tenant drain` and `rebalance`: move many tenants, to empty a database, or to even several out."""

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat, pluralize

from django_schemas.exceptions import ConfigError
from django_schemas.nodes import homes_on

from ... import draining, node_draining, rebalancing
from ...exceptions import MoveRefused
from ...lifecycle.move import Outlook
from ...models import AbstractTenant
from ...rebalancing import Plan
from ...relocating import Relocated, State
from .failing import UsageError
from .subcommand import Subcommand, positive

__all__ = ["SUBCOMMANDS"]

_FEW = 20
"""Of more tenants than these only what failed is told one by one."""
_WORDS: dict[State, str] = {"moved": "moved", "failed": "could not be moved", "left": "were not begun"}


class _Relocating(Subcommand):
    """Moves many tenants, and tells what became of them."""

    def add_processes(self, parser: CommandParser) -> None:
        """Add how many are moved at a time."""
        parser.add_argument(
            "--parallel",
            type=positive,
            default=1,
            metavar="N",
            help="Move N tenants at a time, in processes.",
        )

    def move(self, run: Generator[tuple[AbstractTenant, Relocated], None, None], total: int, verbosity: int) -> None:
        """Move tenants, and tell of it.

        Raises:
            CommandError: any was not moved; the others were.
        """
        begun_s = perf_counter()
        outcomes: list[Relocated] = []
        each = total <= _FEW or verbosity > 1
        # Whatever ends it, those at work are ended with it.
        with closing(run), self.progress(total) as advance:
            for _, outcome in run:
                outcomes.append(outcome)
                if outcome.error:
                    self.stderr.write(self.style.ERROR(f"{outcome.slug}: {outcome.error}"))
                elif each and not self.for_machines:
                    self.say(f"{outcome.slug}: {_done(outcome)}")
                advance()
        counts = Counter(outcome.state for outcome in outcomes)
        if self.for_machines:
            self.dump([_document(outcome) for outcome in sorted(outcomes, key=lambda each: each.slug)])
        elif outcomes:
            told = ", ".join(f"{counts[state]:,} {word}" for state, word in _WORDS.items() if counts[state])
            self.say(f"{len(outcomes):,} tenant{pluralize(len(outcomes))}: {told}; {perf_counter() - begun_s:.1f} s")
        not_done = sorted(outcome.slug for outcome in outcomes if outcome.error)
        if not_done:
            more = f" and {len(not_done) - _FEW:,} more" if not_done[_FEW:] else ""
            raise CommandError(f"Not done for {', '.join(not_done[:_FEW])}{more}.")


class Drain(_Relocating):
    """Move all tenants off a database, or a node; the same command goes on with it."""

    name = "drain"
    help = "Move all tenants off a database, or a node, one by one, without losing a write. Say it again to go on."
    examples = (
        "drain --db shard2 --dry-run",
        "drain --db shard2",
        "drain --db shard2 --to default --parallel 2",
        "drain --node 10.0.0.2:5432",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--db", metavar="ALIAS", help="The database; its weight must be 0, unless --node is said.")
        parser.add_argument(
            "--node", metavar="HOST:PORT", help="The node of a Citus cluster; the others of that database take all."
        )
        parser.add_argument("--to", metavar="ALIAS", help="Where all go; each as PLACING says if left out.")
        parser.add_argument("--dry-run", action="store_true", help="Tell what would be done, and change nothing.")
        self.add_processes(parser)

    def handle(self, options: dict[str, Any]) -> None:
        db, to = options["db"], options["to"]
        if options["node"]:
            self._drain_node(options)
            return
        if not db:
            raise UsageError("Say what: --db ALIAS, or --node HOST:PORT.")
        try:
            if options["dry_run"]:
                self._tell(list(draining.look(db, to)))
                return
            run = draining.drain(db, to, self.processes)
        except MoveRefused as error:
            raise UsageError(str(error)) from error
        self.move(run, draining.tenants_to_drain(db).count(), options["verbosity"])
        if not self.for_machines:
            self.say(
                f"No tenant is in {db} any more. Whoever still runs with former settings may place one there: "
                "`tenant databases` tells of that, and what else is there."
            )

    def _drain_node(self, options: dict[str, Any]) -> None:
        node = options["node"]
        if options["to"]:
            raise UsageError("--to goes with --db: tenants of a node are moved to the others of its database.")
        try:
            db = node_draining.cluster_of(options["db"])
            if options["dry_run"]:
                self._tell_node(list(node_draining.look_at_node(node, db)))
                return
            run = node_draining.drain_node(node, db, self.processes)
        except MoveRefused as error:
            raise UsageError(str(error)) from error
        self.move(run, node_draining.tenants_on_node(node, db).count(), options["verbosity"])
        if not self.for_machines:
            left = [schema for schema, home in homes_on(db).items() if home == node]
            self.say(f"No tenant is on {node} any more; {len(left)} other schemas are.")

    def _tell_node(self, found: list[tuple[AbstractTenant, str, str]]) -> None:
        if self.for_machines:
            self.dump([{"slug": tenant.slug, "to": target, "error": error} for tenant, target, error in found])
        for tenant, target, error in found if not self.for_machines else ():
            self.say(f"{tenant.slug}: {error or f'could go to {target}, and is served meanwhile'}")
        refused = sorted(tenant.slug for tenant, _, error in found if error)
        if refused:
            raise CommandError(f"Can't be done for {', '.join(refused)}.")

    def _tell(self, found: list[tuple[AbstractTenant, Outlook | str]]) -> None:
        if self.for_machines:
            self.dump([_looked(tenant, each) for tenant, each in found])
        for tenant, each in found if not self.for_machines else ():
            self.say(
                f"{tenant.slug}: {each}"
                if isinstance(each, str)
                else f"{tenant.slug}: {each.size}: could go to {each.new.db}, not served for about {each.about_s:.0f} s"
            )
        refused = sorted(tenant.slug for tenant, each in found if isinstance(each, str))
        if refused:
            raise CommandError(f"Can't be done for {', '.join(refused)}.")


class Rebalance(_Relocating):
    """Even out what databases bear."""

    name = "rebalance"
    help = "Even out what databases bear, by their weights, with few moves; --plan tells which, and moves nobody."
    examples = (
        "rebalance --plan",
        "rebalance --plan --by tenants --json",
        "rebalance --apply --limit 10",
        "rebalance --apply --by rows --tolerance 20 --parallel 2",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--plan", action="store_true", help="Tell what would be moved, and move nobody.")
        group.add_argument("--apply", action="store_true", help="Move them. Say it again to go on.")
        parser.add_argument(
            "--by",
            default="size",
            metavar="WHAT",
            help="size (bytes; if left out), rows, tenants, or a dotted path: called with a tenant, it tells its load.",
        )
        parser.add_argument(
            "--tolerance",
            type=_percent,
            default=10.0,
            metavar="%",
            help="How far from its share one may be; 10 if left out.",
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="N moves at most.")
        parser.add_argument(
            "--db", action="append", default=[], metavar="ALIAS", help="Among these alone; repeatable. All if left out."
        )
        self.add_processes(parser)

    def handle(self, options: dict[str, Any]) -> None:
        try:
            found = rebalancing.plan(
                options["by"], tolerance=options["tolerance"], limit=options["limit"], databases=options["db"]
            )
        except ConfigError as error:
            raise UsageError(str(error)) from error
        if options["plan"] and self.for_machines:
            self.dump(
                {
                    "by": options["by"],
                    "tolerance": options["tolerance"],
                    "databases": [asdict(each) for each in found.databases],
                    "moves": [asdict(each) for each in found.moves],
                }
            )
            return
        self._tell(found, options["by"])
        if options["apply"]:
            self.move(rebalancing.apply(found, self.processes), len(found.moves), options["verbosity"])

    def _tell(self, found: Plan, by: str) -> None:
        if self.for_machines:
            return
        told = _size if by == "size" else "{:,.10g}".format
        self.table(
            ("DATABASE", "WEIGHT", "SHARE", "NOW", "THEN", "TENANTS NOW", "THEN"),
            [
                (
                    each.db,
                    f"{each.weight:g}",
                    told(each.share if by == "size" else round(each.share, 1)),
                    told(each.load),
                    told(each.load_then),
                    str(each.tenants),
                    str(each.tenants_then),
                )
                for each in found.databases
            ],
        )
        if not found.moves:
            self.say("Nothing is to be moved.")
            return
        self.say("")
        self.table(
            ("TENANT", "FROM", "TO", "LOAD", "SIZE"),
            [(each.slug, each.old, each.new, told(each.load), _size(each.size)) for each in found.moves],
        )


SUBCOMMANDS = (Drain, Rebalance)


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError(text)
    return value


def _size(size: float) -> str:
    return filesizeformat(size).replace("\xa0", " ")


def _document(outcome: Relocated) -> dict[str, Any]:
    return asdict(outcome) | {"done": "" if outcome.error else _done(outcome)}


def _done(outcome: Relocated) -> str:
    if outcome.gap_s is None:
        return f"is in {outcome.new} already"
    rows = "" if outcome.rows is None else f", {outcome.rows:,} rows"
    return f"moved to {outcome.new}{rows}; not served for {outcome.gap_s:.2f} s"


def _looked(tenant: AbstractTenant, found: Outlook | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"slug": tenant.slug, "to": None, "size": None, "about_s": None, "error": found}
    size = asdict(found.size)
    return {"slug": tenant.slug, "to": found.new.db, "size": size, "about_s": found.about_s, "error": ""}

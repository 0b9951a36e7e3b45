"""`tenant list`, `show`, `status` and `events`: what is known of tenants, and how their schemas stand."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandParser
from django.db import connections, router
from django.template.defaultfilters import filesizeformat, pluralize

from django_schemas.citus import has_citus
from django_schemas.nodes import homes_on

from ...databases import ask_each, silent
from ...events import TenantEvent, last_events
from ...fleet import behind_at, has_schema
from ...lifecycle.sizes import bytes_of
from ...models import AbstractTenant
from ...registry import tenant_model
from ...states import Status
from .facts import facts_of
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class List(Subcommand):
    """List tenants as a table or as JSON."""

    name = "list"
    anywhere = True
    help = "List tenants; all if none are chosen."
    examples = ("list", "list --status failed", "list --db shard2 --long", "list --json")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument(
            "--long",
            action="store_true",
            help="With size, migrations behind, last event, domains: asks databases.",
        )

    def handle(self, options: dict[str, Any]) -> None:
        tenants, _ = self.selected_or_all(options)
        facts = facts_of(tenants)
        if options["long"]:
            facts = [one | more for one, more in zip(facts, _more_of(tenants), strict=True)]
        if self.for_machines:
            self.dump(facts)
            return
        columns = {"SLUG": "slug", "STATUS": "status", "DATABASE": "db", "SCHEMA": "schema_name", "NAME": "name"}
        if options["long"]:
            columns |= {"SIZE": "size", "BEHIND": "behind", "LAST EVENT": "last_event", "DOMAINS": "domains"}
            columns |= {"NODE": "node"} if any("node" in each for each in facts) else {}
        self.table(tuple(columns), [tuple(_shown(key, each.get(key)) for key in columns.values()) for each in facts])


class Show(Subcommand):
    """Show tenants in full."""

    name = "show"
    anywhere = True
    help = "Show tenants in full."
    examples = ("show acme", "show acme globex --json")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        tenants = self.selected(options)
        facts = [one | more for one, more in zip(facts_of(tenants), _more_of(tenants), strict=True)]
        if self.for_machines:
            self.dump(facts)
            return
        for each in facts:
            for key, value in each.items():
                self.say(f"{key:>15}  {_shown(key, value)}")
            self.say("")


class StatusOf(Subcommand):
    """The fleet at a glance."""

    name = "status"
    anywhere = True
    help = "The fleet at a glance: how many of which status where, who is behind, what is under way, what failed."
    examples = ("status", "status --db shard2", "status --json")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        tenants, _ = self.selected_or_all(options)
        away = silent({tenant.db for tenant in tenants})
        late = {tenant.slug: count for tenant, count in _behind(tenants, away).items() if count}
        if self.for_machines:
            self.dump(
                [one | {"behind": None if one["db"] in away else late.get(one["slug"], 0)} for one in facts_of(tenants)]
            )
            return
        statuses = [str(status) for status in Status if any(tenant.status == status for tenant in tenants)]
        counts = Counter((tenant.db, tenant.status) for tenant in tenants)
        rows = [(db, [counts[db, status] for status in statuses]) for db in sorted({tenant.db for tenant in tenants})]
        self.table(
            ("DATABASE", *map(str.upper, statuses), "ALL"),
            [(db, *map(str, numbers), str(sum(numbers))) for db, numbers in rows],
        )
        self._tell("Away", [f"{db}: {reason}" for db, reason in sorted(away.items())])
        self._tell("Behind", [f"{slug}: {count} migration{pluralize(count)}" for slug, count in late.items()])
        self._tell(
            "Under way", [f"{each.slug}: {each.work.get('kind', 'work')}" for each in tenants if each.work is not None]
        )
        failed = [tenant for tenant in tenants if tenant.status == Status.FAILED]
        self._tell("Failed", [f"{tenant.slug}: {tenant.status_reason or 'no reason is known'}" for tenant in failed])

    def _tell(self, title: str, lines: Sequence[str]) -> None:
        if lines:
            self.say(f"{title} ({len(lines)}):")
        for line in lines:
            self.say(f"  {line}")


class Events(Subcommand):
    """The log."""

    name = "events"
    anywhere = True
    help = "The log of what was done to tenants, also to those that are gone; the newest last."
    examples = ("events", "events acme --limit 100", "events --json")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?", metavar="SLUG", help="What it is or was called.")
        parser.add_argument("--limit", type=int, default=50, metavar="N", help="The last N; 50 if left out.")

    def handle(self, options: dict[str, Any]) -> None:
        events = TenantEvent.objects.using(router.db_for_write(tenant_model()))
        if options["slug"]:
            # Under whatever name: a tenant that was renamed has one story.
            ids = events.filter(slug=options["slug"]).order_by().values_list("tenant_id", flat=True).distinct()
            events = events.filter(tenant_id__in=list(ids))
        found = list(events.order_by("-pk")[: max(options["limit"], 0)])[::-1]
        if self.for_machines:
            keys = ("slug", "kind", "old", "new", "actor", "data", "tenant_id")
            self.dump([{"at": each.at.isoformat()} | {key: getattr(each, key) for key in keys} for each in found])
            return
        self.table(
            ("AT", "SLUG", "WHAT", "BY", "MORE"),
            [
                (
                    f"{each.at:%Y-%m-%d %H:%M:%S}",
                    each.slug,
                    f"{each.kind} {each.old} -> {each.new}" if each.old else f"{each.kind} {each.new}".strip(),
                    each.actor,
                    ", ".join(f"{key}: {value}" for key, value in each.data.items()),
                )
                for each in found
            ],
        )


SUBCOMMANDS = (List, Show, StatusOf, Events)


def _more_of(tenants: Sequence[AbstractTenant]) -> list[dict[str, Any]]:
    """What the databases say of each tenant, None where one does not answer: a few queries for each database."""
    away = silent({tenant.db for tenant in tenants})
    answering = [tenant for tenant in tenants if tenant.db not in away]
    sizes, nodes = ask_each(bytes_of, [tenant.placement for tenant in answering]), dict(_nodes(answering))
    late, events = _behind(tenants, away), _last_events(tenants)
    return [
        {"size": sizes.get(tenant.placement), "behind": late.get(tenant), "last_event": events.get(str(tenant.pk))}
        | ({"node": nodes[tenant.pk]} if tenant.pk in nodes else {})
        for tenant in tenants
    ]


def _nodes(tenants: Sequence[AbstractTenant]) -> Iterator[tuple[Any, str | None]]:
    """The node of each that is in a database of Citus's, by its key; one statement for each such database."""
    for db in {tenant.db for tenant in tenants if has_citus(connections[tenant.db])}:
        there = [tenant for tenant in tenants if tenant.db == db]
        homes = homes_on(db, [tenant.schema_name for tenant in there])
        yield from ((tenant.pk, homes.get(tenant.schema_name)) for tenant in there)


def _behind(tenants: Sequence[AbstractTenant], away: dict[str, str]) -> dict[AbstractTenant, int]:
    """How many migrations each is behind, of those that have a schema to speak of.

    Args:
        tenants: whose.
        away: databases that do not answer, which are not asked; others that turn out not to are put in.
    """
    settled = {tenant.placement: tenant for tenant in tenants if has_schema(tenant) and tenant.db not in away}
    return {settled[place]: len(keys) for place, keys in ask_each(behind_at, settled, away).items()}


def _last_events(tenants: Sequence[AbstractTenant]) -> dict[str, str]:
    return {
        pk: f"{event.at:%Y-%m-%d %H:%M} {event.kind} {event.new}".rstrip() for pk, event in last_events(tenants).items()
    }


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key == "size":
        return filesizeformat(value).replace("\xa0", " ")
    return ", ".join(value) if isinstance(value, list) else str(value)

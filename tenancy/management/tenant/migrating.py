"""`tenant migrate` and `runs`: brings the fleet up to date, and tells what earlier runs did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize

from django_schemas.fleet import Outcome, State
from django_schemas.management.reporting import points as points_at
from django_schemas.plans import target_of
from django_schemas.records import Key

from ...databases import silent
from ...fleet import migrate_tenants, plan_for
from ...models import AbstractTenant
from ...runs import FleetRun, Journal, last_run
from ...states import Status
from .facts import facts_of_run
from .failing import UsageError
from .subcommand import Subcommand, positive

__all__ = ["SUBCOMMANDS"]

_FEW = 20
"""Of more tenants than these only what failed is told one by one."""
_SELECTION = ("slugs", "all", "db", "status", "where", "exclude")
_NOT_DONE: tuple[State, ...] = ("failed", "locked", "left")
_WORDS: dict[str, str] = {
    "migrated": "migrated",
    "current": "had nothing to do",
    "failed": "failed",
    "locked": "were locked",
    "left": "were not begun",
}


class Migrate(Subcommand):
    """Migrate tenants; one that fails does not keep the others from being migrated."""

    name = "migrate"
    help = "Bring tenants' schemas to the newest migrations. One that fails does not stop the rest."
    examples = (
        "migrate acme",
        "migrate --all --plan",
        "migrate --all --parallel 4 --canary 3 --max-failures 10",
        "migrate --resume",
        "migrate --all --to helpdesk 0007",
        "migrate --db shard2 --json",
    )
    everyone = (Status.ACTIVE, Status.SUSPENDED)
    parallel = True

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument("--plan", action="store_true", help="Tell what would be done, and do nothing.")
        parser.add_argument(
            "--to", nargs=2, metavar=("APP", "MIGRATION"), help="To this point, up or down; 'zero' takes all back."
        )
        parser.add_argument("--canary", type=positive, default=0, metavar="N", help="N first; go on if all succeed.")
        parser.add_argument("--max-failures", type=positive, metavar="N", help="Begin no more after N that failed.")
        parser.add_argument(
            "--lock-timeout",
            metavar="TIME",
            default="2s",
            help="Wait so long for a table's lock, and its users behind it ('2s', '200ms'); then try again later.",
        )
        parser.add_argument(
            "--retry-for",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="How long to try again those whose lock was not had; 60 if not said.",
        )
        parser.add_argument("--resume", action="store_true", help="The tenants, and --to, of the run before.")

    def handle(self, options: dict[str, Any]) -> None:
        selection = {name: options[name] for name in _SELECTION}
        goal = options["to"]
        if options["resume"]:
            selection, goal = _resumed(options)
        tenants = self.selected({**options, **selection})
        points = None if goal is None or not tenants else points_at(target_of(tenants[0].alias), *goal)
        if options["plan"]:
            self._show_plan(plan_for(tenants, points))
            return
        # Once for all of them; code that calls a command runs none. Whose database is away is told behind.
        if not options.get("skip_checks"):
            dbs = {tenant.db for tenant in tenants}
            self.command.check(databases=sorted(dbs - silent(dbs).keys()))
        run = migrate_tenants(
            tenants,
            points,
            processes=self.processes,
            lock_timeout=options["lock_timeout"],
            retry_for_s=options["retry_for"],
            canary=options["canary"],
            max_failures=options["max_failures"],
        )
        # Whatever ends it, those at work are ended before the journal says so.
        with Journal.of(selection, goal, len(tenants)) as journal, closing(run):
            self._tell_all(self._noted(run, journal), len(tenants), options["verbosity"])

    def _noted(
        self, run: Iterator[tuple[AbstractTenant, Outcome]], journal: Journal
    ) -> Iterator[tuple[AbstractTenant, Outcome]]:
        for tenant, outcome in run:
            journal.note(tenant.slug, outcome)
            yield tenant, outcome

    def _tell_all(self, run: Iterator[tuple[AbstractTenant, Outcome]], total: int, verbosity: int) -> None:
        begun_s = perf_counter()
        counts: Counter[str] = Counter()
        documents, not_done = [], []
        each = total <= _FEW or verbosity > 1
        with self.progress(total) as advance:
            for tenant, outcome in run:
                counts[outcome.state] += 1
                if outcome.state in _NOT_DONE:
                    not_done.append(tenant.slug)
                    if outcome.state != "left" or each:
                        self.stderr.write(self.style.ERROR(f"{tenant.slug}: {outcome.error}"))
                elif each and not self.for_machines:
                    self.say(f"{tenant.slug}: {_done(outcome)}")
                if self.for_machines:
                    documents.append(_document(tenant, outcome))
                advance()
        if self.for_machines:
            self.dump(sorted(documents, key=lambda document: str(document["slug"])))
        elif not total:
            self.say("No tenant matches.")
        elif total > 1:
            seconds = perf_counter() - begun_s
            told = ", ".join(f"{counts[state]:,} {word}" for state, word in _WORDS.items() if counts[state])
            self.say(f"{total:,} tenant{pluralize(total)}: {told}; {seconds:.1f} s")
        if not_done:
            named = ", ".join(sorted(not_done)[:_FEW])
            more = f" and {len(not_done) - _FEW:,} more (`tenant runs` names them)" if not_done[_FEW:] else ""
            raise CommandError(f"Not done for {named}{more}.")

    def _show_plan(self, plan: Sequence[tuple[AbstractTenant, Outcome]]) -> None:
        if self.for_machines:
            self.dump([_document(tenant, outcome, planned=True) for tenant, outcome in sorted(plan, key=_slug)])
        else:
            for tenant, outcome in plan:
                self.say(f"{tenant.slug}: {_planned(outcome)}")
        refused = sorted(tenant.slug for tenant, outcome in plan if outcome.state == "failed")
        if refused:
            raise CommandError(f"Can't be done for {', '.join(refused)}.")


class Runs(Subcommand):
    """The journal: what runs of `tenant migrate` did."""

    name = "runs"
    help = "Tell what runs of `migrate` did, the newest first."
    examples = ("runs", "runs --limit 1 --json")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=10, metavar="N", help="The newest N; 10 if not said.")

    def handle(self, options: dict[str, Any]) -> None:
        runs = list(FleetRun.objects.order_by("-pk")[: options["limit"]])
        if self.for_machines:
            self.dump([facts_of_run(run) for run in runs])
            return
        self.table(
            ("started", "ended", "by", "tenants", "what became of them"),
            [
                (
                    f"{run.started_at:%Y-%m-%d %H:%M:%S}",
                    f"{run.ended_at:%H:%M:%S}" if run.ended_at else f"no; seen {run.seen_at:%H:%M:%S}",
                    run.actor,
                    str(run.total),
                    ", ".join(f"{number} {_WORDS[state]}" for state, number in run.counts.items()),
                )
                for run in runs
            ],
        )
        for run in runs[:1]:
            for slug, reason in run.reasons.items():
                self.say(f"{slug}: {reason}")


SUBCOMMANDS = (Migrate, Runs)


def _resumed(options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Which tenants the run before was for, and where they were to be."""
    if options["to"] or any(options[name] for name in _SELECTION):
        raise UsageError("--resume goes on with the tenants of the run before: name none, and no --to.")
    run = last_run()
    if run is None:
        raise UsageError("There is no run to go on with: name tenants, or say --all.")
    return run.selection, run.goal


def _slug(planned: tuple[AbstractTenant, Outcome]) -> str:
    return planned[0].slug


def _document(tenant: AbstractTenant, outcome: Outcome, planned: bool = False) -> dict[str, Any]:
    return {
        "slug": tenant.slug,
        "state": "planned" if planned and outcome.state == "left" else outcome.state,
        "migrations": [".".join(key) for key in outcome.applied],
        "backwards": outcome.backwards,
        "done": "" if outcome.error else _planned(outcome) if planned else _done(outcome),
        "error": outcome.error,
        "seconds": outcome.seconds,
    }


def _done(outcome: Outcome) -> str:
    if outcome.applied:
        count = len(outcome.applied)
        return f"{count} migration{pluralize(count)} {'taken back' if outcome.backwards else 'applied'}"
    return "tables of models without migrations made" if outcome.state == "migrated" else "nothing to migrate"


def _planned(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error
    if outcome.applied:
        return f"would {'take back' if outcome.backwards else 'apply'} {_named(outcome.applied)}"
    return "would do what no migration tells" if outcome.state == "left" else "nothing to migrate"


def _named(keys: Sequence[Key]) -> str:
    return ", ".join(map(".".join, keys))

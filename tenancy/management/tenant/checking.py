"""`tenant check`: whether each schema holds what its migrations make, and what dead operations left."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...checking import Checker, Finding, debris
from . import selecting
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Check(Subcommand):
    """Check tenants; of all of them if none is named, and then also look for debris."""

    name = "check"
    help = "Compare schemas with what their migrations make, and find debris. Exits with 1 if anything is found."
    examples = ("check", "check acme globex --json", "check --db shard2 --fix")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument(
            "--fix",
            action="store_true",
            help="Make missing indexes and constraints, put records right, set sequences forward. Drops nothing.",
        )

    def handle(self, options: dict[str, Any]) -> None:
        everything = options["all"] or not (options["slugs"] or selecting.selects(options))
        tenants = self.selected({**options, "all": everything})
        findings = []
        with self.progress(len(tenants)) as advance:
            for finding in Checker(options["fix"]).check(tenants, advance):
                findings.append(finding)
                self._tell(finding)
        if everything and not any(options[name] for name in ("db", "status", "where", "exclude")):
            for finding in debris():
                findings.append(finding)
                self._tell(finding)
        self._conclude(findings, len(tenants))

    def _tell(self, finding: Finding) -> None:
        if self.for_machines:
            return
        whose = f"{finding.slug} ({finding.place})" if finding.slug else finding.place
        style = self.style.SUCCESS if finding.fixed else self.style.NOTICE if finding.note else self.style.ERROR
        self.say(style(f"{whose}: {finding.what}"))
        self.say(f"    {'mended' if finding.fixed else finding.mend}")

    def _conclude(self, findings: Sequence[Finding], tenants: int) -> None:
        wrong = [finding for finding in findings if not (finding.note or finding.fixed)]
        fixed = sum(finding.fixed for finding in findings)
        if self.for_machines:
            self.dump([asdict(finding) for finding in findings])
        else:
            mended = f", {fixed} mended" if fixed else ""
            self.say(f"{tenants} tenants checked: {len(wrong)} faults{mended}.")
        if wrong:
            raise CommandError(f"{len(wrong)} faults were found.")


SUBCOMMANDS = (Check,)

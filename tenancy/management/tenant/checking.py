"""`tenant check`: whether schemas are as they should be."""

from itertools import chain
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize

from ...checking import Trouble, find_debris, find_trouble, mend
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Check(Subcommand):
    """Compare schemas with what their migrations should have made of them; with `--all`, look for debris as well."""

    name = "check"
    help = "Find what is not as it should be in tenants' schemas; --fix mends what is safe."
    examples = ("check", "check acme globex --json", "check --db shard2 --fix")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument("--fix", action="store_true", help="Mend what can be mended without losing anything.")

    def handle(self, options: dict[str, Any]) -> None:
        tenants, everyone = self.selected_or_all(options)
        troubles = list(dict.fromkeys(chain(find_trouble(tenants), find_debris() if everyone else ())))
        mended = dict(mend(troubles)) if options["fix"] else {}
        left = [trouble for trouble in troubles if mended.get(trouble, trouble) is not None]
        if options["json"]:
            self.dump([_facts(trouble, mended) for trouble in troubles])
        else:
            for trouble in troubles:
                self.say(_told(trouble, mended))
            checked, found = len(tenants), len(troubles)
            self.say(
                f"{checked:,} tenant{pluralize(checked)} checked, {found:,} finding{pluralize(found)}, "
                f"{found - len(left):,} mended."
            )
        if left:
            raise CommandError(f"{len(left):,} finding{pluralize(len(left), ' is,s are')} left.")


SUBCOMMANDS = (Check,)

Mended = dict[Trouble, Exception | None]


def _facts(trouble: Trouble, mended: Mended) -> dict[str, Any]:
    return {
        "slug": trouble.tenant.slug if trouble.tenant else None,
        "db": trouble.placement.db,
        "schema_name": trouble.placement.schema,
        "kind": trouble.finding.kind,
        "subject": trouble.finding.subject,
        "detail": trouble.finding.detail,
        "remedy": trouble.finding.remedy,
        "mended": mended.get(trouble, trouble) is None,
        "error": str(mended.get(trouble) or ""),
    }


def _told(trouble: Trouble, mended: Mended) -> str:
    finding, place = trouble.finding, trouble.placement
    whose = trouble.tenant.slug if trouble.tenant else str(place) if place.schema else place.db
    error = mended.get(trouble)
    outcome = finding.remedy if trouble not in mended else f"Not mended: {error}" if error else "Mended."
    return f"{whose}: {finding.kind} {finding.subject}. {finding.detail} {outcome}"

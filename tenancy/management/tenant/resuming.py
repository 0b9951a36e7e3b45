"""`tenant resume-work`: what was cut off goes on."""

from typing import Any

from django.core.management.base import CommandParser

from ... import lifecycle
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class ResumeWork(Subcommand):
    """Go on with what was being done to tenants; where nothing was, say so."""

    name = "resume-work"
    help = "Go on with what was being done to tenants when it was cut off."
    examples = ("resume-work acme", "resume-work --where work__isnull=false")
    everyone = None

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.resume_work)


SUBCOMMANDS = (ResumeWork,)

"""What every subcommand is made of: choosing tenants, asking before data go, telling what was done."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...lifecycle.sizes import size_of
from ...models import AbstractTenant
from ...ownership import schemas_owned
from ...registry import tenant_model

__all__ = ["Subcommand"]


class Subcommand(ABC):
    """One word behind `manage.py tenant`.

    Attributes:
        name: the word.
        help: what it does, in a sentence.
        everyone: statuses of the tenants that `--all` means; None: all tenants. No `--all` if empty.
        destructive: whether it asks for each slug to be typed, or takes `--yes-really`.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    everyone: ClassVar[Collection[str] | None] = ()
    destructive: ClassVar[bool] = False

    def __init__(self, command: BaseCommand) -> None:
        self.command = command
        self.stdout, self.stderr, self.style = command.stdout, command.stderr, command.style

    @abstractmethod
    def add_arguments(self, parser: CommandParser) -> None:
        """Add what it takes."""

    @abstractmethod
    def handle(self, options: dict[str, Any]) -> None:
        """Do it."""

    def add_selectors(self, parser: CommandParser) -> None:
        """Add the arguments that choose tenants, and that say yes to what is asked."""
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        if self.everyone is None or self.everyone:
            parser.add_argument("--all", action="store_true", help="All tenants that this can be done to.")
        if self.destructive:
            parser.add_argument(
                "--yes-really",
                action="append",
                default=[],
                metavar="SLUG",
                help="Do it without asking for SLUG; ALL: for any of --all.",
            )

    def selected(self, options: dict[str, Any]) -> list[AbstractTenant]:
        """The tenants that were chosen.

        Raises:
            CommandError: none was chosen, or one that is not there.
        """
        if options.get("all"):
            if options["slugs"]:
                raise CommandError("Name tenants, or say --all, not both.")
            all_tenants = tenant_model()._default_manager.all()
            return [*(all_tenants.filter(status__in=self.everyone) if self.everyone else all_tenants)]
        if not options["slugs"]:
            raise CommandError("Name at least one tenant" + (", or say --all." if "all" in options else "."))
        return self.find(options["slugs"])

    def find(self, slugs: Iterable[str]) -> list[AbstractTenant]:
        """The tenants with these slugs, in their order.

        Raises:
            CommandError: one is not there.
        """
        wanted = list(dict.fromkeys(slugs))
        found = {tenant.slug: tenant for tenant in tenant_model()._default_manager.filter(slug__in=wanted)}
        missing = [slug for slug in wanted if slug not in found]
        if missing:
            raise CommandError(f"There is no tenant {', '.join(missing)}.")
        return [found[slug] for slug in wanted]

    def confirm(self, tenants: Iterable[AbstractTenant], options: dict[str, Any], consequence: str) -> None:
        """Have each tenant's slug typed, unless it was given by `--yes-really`.

        Raises:
            CommandError: it was not, or nobody is there to ask.
        """
        for tenant in tenants:
            # No slug is upper case.
            if tenant.slug in options["yes_really"] or (options.get("all") and "ALL" in options["yes_really"]):
                continue
            if not sys.stdin.isatty():
                raise CommandError(f"Nobody is here to ask: say --yes-really={tenant.slug}.")
            held = " + ".join(str(size_of(place)) for place in schemas_owned(tenant)) or "no schema"
            self.say(f"Tenant {tenant.slug} ({tenant.name}, {tenant.placement}): {held}. {consequence}")
            if input("Type its slug to go on: ") != tenant.slug:
                raise CommandError("That is not its slug: nothing was done.")

    def each(self, tenants: Iterable[AbstractTenant], function: Callable[[AbstractTenant], str | None]) -> None:
        """Do something to each tenant, tell of each what the function returns, or its status.

        Raises:
            CommandError: any failed; the others were done.
        """
        failed = []
        for tenant in tenants:
            try:
                said = function(tenant)
            except Exception as error:
                failed.append(tenant.slug)
                self.stderr.write(self.style.ERROR(f"{tenant.slug}: {type(error).__name__}: {error}"))
            else:
                self.say(f"{tenant.slug}: {said or tenant.status}")
        if failed:
            raise CommandError(f"Not done for {', '.join(failed)}.")

    def table(self, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Write a table for people."""
        lines = [header, *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            self.say("  ".join(map(str.ljust, line, widths)).rstrip())

    def dump(self, value: Any) -> None:
        """Write JSON for machines."""
        self.say(json.dumps(value, indent=2))

    def say(self, text: str) -> None:
        """Write a line."""
        self.stdout.write(text)

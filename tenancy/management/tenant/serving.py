"""`tenant suspend`, `resume`, `delete`, `restore` and `purge`: whether a tenant is served, and whether it is there."""

from typing import Any

from django.core.management.base import CommandParser
from django.template.defaultfilters import pluralize

from ... import lifecycle
from ...models import AbstractTenant
from ...registry import tenant_model
from ...states import Status
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Suspend(Subcommand):
    """Suspend tenants."""

    name = "suspend"
    help = "Stop serving tenants: 403."
    examples = (
        "suspend acme",
        "suspend --where settings__plan=trial --exclude acme",
    )
    everyone = (Status.ACTIVE,)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.suspend)


class Resume(Subcommand):
    """Resume tenants."""

    name = "resume"
    help = "Serve suspended tenants again."
    examples = (
        "resume acme",
        "resume --all --db shard2",
    )
    everyone = (Status.SUSPENDED,)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.resume)


class Delete(Subcommand):
    """Delete tenants, each after its slug was typed."""

    name = "delete"
    help = "Stop serving tenants for good; their data stay until they are purged."
    examples = (
        "delete acme",
        "delete acme --yes-really=acme",
        "delete --status failed --yes-really=ALL",
    )
    everyone = tuple(status for status in Status if status not in (Status.DELETING, Status.GONE))
    destructive = True

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        tenants = self.selected(options)
        self.confirm(tenants, options, "It is no longer served; `tenant restore` brings it back.")
        self.each(tenants, lifecycle.delete)


class Restore(Subcommand):
    """Restore deleted tenants."""

    name = "restore"
    help = "Serve deleted tenants again."
    examples = ("restore acme",)
    everyone = (Status.DELETING,)

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)

    def handle(self, options: dict[str, Any]) -> None:
        self.each(self.selected(options), lifecycle.restore)


class Purge(Subcommand):
    """Purge deleted tenants, each after its slug was typed."""

    name = "purge"
    help = "Drop deleted tenants' schemas with all their data; --all: of those whose days of grace are over."
    examples = ("purge acme --yes-really=acme", "purge --all --yes-really=ALL")
    everyone = (Status.DELETING,)
    destructive = True

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selectors(parser)
        parser.add_argument("--leftovers", action="store_true", help="Drop only what moves left of them elsewhere.")

    def handle(self, options: dict[str, Any]) -> None:
        tenants = self.selected(options)
        if options["leftovers"]:
            for tenant in tenants:
                left = ", ".join(map(str, lifecycle.leftovers(tenant))) or "nothing"
                self.confirm([tenant], options, f"DROPPED is what moves left: {left}. It itself stays.")
            self.each(tenants, _drop_leftovers)
            return
        self.confirm(tenants, options, "ALL ITS DATA ARE DROPPED. This can't be undone.")
        self.each(tenants, lifecycle.purge)

    def selected(self, options: dict[str, Any]) -> list[AbstractTenant]:
        """Of all, those that were deleted long enough ago."""
        chosen = super().selected(options)
        due = set(tenant_model()._default_manager.past_grace())
        return [tenant for tenant in chosen if tenant in due] if options["all"] else chosen


def _drop_leftovers(tenant: AbstractTenant) -> str:
    dropped = len(lifecycle.drop_leftovers(tenant))
    return f"{dropped:,} schema{pluralize(dropped)} dropped"


SUBCOMMANDS = (Suspend, Resume, Delete, Restore, Purge)

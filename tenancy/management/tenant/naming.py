"""`tenant rename` and `tenant domain`: what a tenant is called, and the hosts that lead to it."""

from typing import Any

from django.core.management.base import CommandParser

from ... import lifecycle
from ...registry import domain_model, tenant_model
from .failing import UsageError
from .subcommand import Subcommand

__all__ = ["SUBCOMMANDS"]


class Rename(Subcommand):
    """Give a tenant another slug, schema or name."""

    name = "rename"
    help = "Rename a tenant."
    examples = ("rename acme --slug acme-inc", 'rename acme --name "Acme Inc." --schema acme_inc')

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        # Its value must not hide the tenant that is named.
        parser.add_argument("--slug", dest="new_slug", metavar="NEW")
        parser.add_argument("--schema", metavar="S")
        parser.add_argument("--name", metavar="N")

    def handle(self, options: dict[str, Any]) -> None:
        if not (options["new_slug"] or options["schema"] or options["name"]):
            raise UsageError("Say what is to change: --slug, --schema or --name.")
        # One whose renaming was cut off may be found by its new slug only.
        begun = tenant_model()._default_manager.filter(
            slug=options["new_slug"] or "", work__kind="rename", work__slug=options["slug"]
        )
        tenant = begun.first() or self.find([options["slug"]])[0]
        lifecycle.rename(tenant, options["new_slug"], options["schema"], options["name"])
        self.told(tenant, f"{options['slug']}: now {tenant.slug} ({tenant.name}, {tenant.placement}), {tenant.status}")


class Domain(Subcommand):
    """Add, remove, list and verify the hosts of a tenant, and say which is primary."""

    name = "domain"
    help = "Add, remove, list or verify a tenant's hosts; say which one is primary."
    examples = ("domain add acme help.acme.example", "domain list acme --json")

    _DONE = {
        "add": lifecycle.add_domain,
        "remove": lifecycle.remove_domain,
        "verify": lifecycle.verify_domain,
        "primary": lifecycle.make_primary,
        "redirect": lifecycle.redirect_domain,
    }

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=(*self._DONE, "list"))
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("host", metavar="HOST", nargs="?")

    def handle(self, options: dict[str, Any]) -> None:
        (tenant,) = self.find([options["slug"]])
        if options["action"] != "list":
            if not options["host"]:
                raise UsageError(f"Name the host: tenant domain {options['action']} {tenant.slug} HOST.")
            self._DONE[options["action"]](tenant, options["host"])
        rows = [
            {
                "host": domain.host,
                "primary": domain.is_primary,
                "redirects": domain.redirects,
                "verified_at": domain.verified_at and domain.verified_at.isoformat(),
            }
            for domain in domain_model()._default_manager.filter(tenant_id=tenant.pk)
        ]
        if self.for_machines:
            self.dump(rows)
            return
        for row in rows:
            kinds = [kind for kind in ("primary", "redirects") if row[kind]]
            self.say(" ".join([str(row["host"]), *kinds, *([] if row["verified_at"] else ["not verified"])]))


SUBCOMMANDS = (Rename, Domain)

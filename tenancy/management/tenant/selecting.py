"""Which tenants a subcommand works on: the arguments that choose them, and the query they mean. The same everywhere.

All that is said holds at once: `--db shard2 --where slug__startswith=a --exclude acme` are those on shard2 whose slugs
begin with an a, but for acme.
"""

import json
from collections.abc import Collection
from typing import Any

from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.core.management.base import CommandParser
from django.db import DataError, ProgrammingError, models, router, transaction

from ...models import AbstractTenant
from ...registry import tenant_model
from ...states import Status
from .failing import UsageError

__all__ = ["add_selectors", "by_slugs", "choose", "narrows", "selects"]

_NARROWING = ("db", "status", "where", "exclude")


def add_selectors(parser: CommandParser) -> None:
    """Add the arguments that choose tenants by anything but their slugs."""
    group = parser.add_argument_group("selectors", "Beside SLUG, or without; a tenant must match all that is said.")
    group.add_argument("--all", action="store_true", help="All tenants that this can be done to.")
    group.add_argument("--db", action="append", default=[], metavar="ALIAS", help="Those in this database; repeatable.")
    group.add_argument(
        "--status",
        action="append",
        default=[],
        choices=[str(status) for status in Status],
        metavar="STATUS",
        help=f"Those of this status ({', '.join(Status)}); repeatable.",
    )
    group.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="LOOKUP=VALUE",
        help="Those that a look-up of Django's finds: slug__startswith=a, created_at__lt=2026-01-01; repeatable.",
    )
    group.add_argument("--exclude", action="append", default=[], metavar="SLUG", help="Not this one; repeatable.")


def selects(options: dict[str, Any]) -> bool:
    """Tell whether tenants were chosen by more than their slugs."""
    return bool(options.get("all") or narrows(options))


def narrows(options: dict[str, Any]) -> bool:
    """Tell whether something keeps tenants from being chosen."""
    return any(options.get(name) for name in _NARROWING)


def choose(options: dict[str, Any], everyone: Collection[str] | None) -> list[AbstractTenant]:
    """The tenants that were chosen: in the order of their slugs as named, else in that of the model.

    Args:
        options: the parsed arguments.
        everyone: statuses that are meant if neither slugs nor statuses are named; None: all.

    Raises:
        UsageError: nothing was chosen, a tenant that is named is not there, or a look-up is none.
    """
    slugs = options["slugs"]
    if options.get("all") and slugs:
        raise UsageError("Name tenants, or say --all, not both.")
    if not slugs and not selects(options):
        raise UsageError("Name at least one tenant" + (", or say --all." if "all" in options else "."))
    named = by_slugs(slugs)
    excluded = by_slugs(options.get("exclude", ()))
    if not selects(options):
        return named
    # The primary is asked, not a replica: work is done to what is found.
    model = tenant_model()
    found = model._default_manager.using(router.db_for_write(model)).exclude(pk__in=[each.pk for each in excluded])
    if options["db"]:
        found = found.filter(db__in=options["db"])
    if slugs:
        found = found.filter(pk__in=[each.pk for each in named])
    statuses = options["status"] or (None if slugs else everyone)
    if statuses is not None:
        found = found.filter(status__in=statuses)
    for condition in options["where"]:
        found = found.filter(pk__in=_matching(model, condition))
    order = {tenant.pk: index for index, tenant in enumerate(named)}
    return sorted(found, key=lambda tenant: order.get(tenant.pk, 0))


def by_slugs(slugs: Collection[str]) -> list[AbstractTenant]:
    """The tenants with these slugs, in their order.

    Raises:
        UsageError: one is not there.
    """
    wanted = list(dict.fromkeys(slugs))
    if not wanted:
        return []
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model)).filter(slug__in=wanted)
    found = {tenant.slug: tenant for tenant in rows}
    missing = [slug for slug in wanted if slug not in found]
    if missing:
        raise UsageError(f"There is no tenant {', '.join(missing)}.")
    return [found[slug] for slug in wanted]


def _matching(model: type[AbstractTenant], condition: str) -> list[Any]:
    """Primary keys of the tenants that a look-up finds. What is no look-up is found out by asking."""
    lookup, equals, text = condition.partition("=")
    if not equals or not lookup:
        raise UsageError(f"--where {condition!r} is not of the form LOOKUP=VALUE, as slug__startswith=a.")
    using = router.db_for_write(model)
    try:
        # As a pair: keywords of a Q mean more than fields, as `_negated` does.
        query = models.Q((lookup, _value(model, lookup, text)))
        with transaction.atomic(using=using):
            return list(model._default_manager.using(using).filter(query).values_list("pk", flat=True))
    except ValidationError as error:
        raise UsageError(f"--where {condition!r} can't be asked: {'; '.join(error.messages)}") from error
    except (FieldError, ValueError, TypeError, DataError, ProgrammingError) as error:
        raise UsageError(f"--where {condition!r} can't be asked: {str(error).strip()}") from error


def _value(model: type[AbstractTenant], lookup: str, text: str) -> Any:
    """What a text means to a look-up: a list for `in` and `range`, true or false for `isnull`, JSON within JSON."""
    name, *rest = lookup.split("__")
    if rest and rest[-1] == "isnull":
        if text.lower() not in ("true", "false"):
            raise ValueError("isnull is true or false.")
        return text.lower() == "true"
    if rest and rest[-1] in ("in", "range"):
        return text.split(",")
    try:
        is_json = isinstance(model._meta.get_field(name), models.JSONField)
    except FieldDoesNotExist:
        is_json = False
    if is_json:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text

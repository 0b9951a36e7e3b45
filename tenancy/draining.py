"""Draining: moves all tenants off a database, so that it can be taken away, or mended.

What is left to do is told by the registry alone, so whoever is killed is gone on with by the same call.
"""

from collections.abc import Collection, Generator, Iterator
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, router
from django.db.models import Q, QuerySet

from django_schemas.environments import databases_of

from .conf import conf
from .databases import silent
from .exceptions import MoveRefused, TenancyError
from .lifecycle.move import KIND, Outlook, outlook
from .models import AbstractTenant
from .placing import choose_database
from .provisioning import reason_of
from .registry import tenant_model
from .relocating import Errand, Relocated, relocate

__all__ = ["drain", "look", "tenants_to_drain"]


def drain(
    db: str, to: str | None = None, processes: int = 1
) -> Generator[tuple[AbstractTenant, Relocated], None, None]:
    """Move all tenants off a database; yield each with what became of it.

    Those that are placed there meanwhile are moved too. It can be called again, whatever became of it before.

    Args:
        db: alias of the database.
        to: alias of the one that all are moved to; if None, `TENANCY["PLACING"]` chooses among the others.
        processes: how many tenants are moved at a time.

    Raises:
        MoveRefused: new tenants may be placed there still, there is nowhere to move to, or it does not answer. Nothing
            was done.
    """
    if conf.weights.get(db, 0) > 0:
        raise MoveRefused(
            f"New tenants may be placed in {db!r}: give it the weight 0 in TENANCY['DATABASES'], as "
            f"{ {**conf.weights, db: 0}!r}, have all processes begin anew with that, and say this again."
        )
    _refuse(db, to)
    return relocate(partial(_errands, db, to), processes)


def look(db: str, to: str | None = None) -> Iterator[tuple[AbstractTenant, Outlook | str]]:
    """Tell what `drain` would do: with each tenant what moving it would be, or why it can't be. Nothing is changed.

    Raises:
        MoveRefused: as for `drain`.
    """
    _refuse(db, to)
    for tenant in tenants_to_drain(db):
        try:
            yield tenant, outlook(tenant, to or _elsewhere(tenant, db, ()))
        except (TenancyError, OperationalError, InterfaceError) as error:
            yield tenant, reason_of(error)


def tenants_to_drain(db: str) -> QuerySet[AbstractTenant]:
    """The tenants that are in a database, or are being moved there."""
    model = tenant_model()
    rows = model._default_manager.using(router.db_for_write(model))
    return rows.filter(Q(db=db) | Q(work__kind=KIND, work__to=db))


def _refuse(db: str, to: str | None) -> None:
    hosts = databases_of(conf.environment)
    for each in (db, *([to] if to else ())):
        if each not in hosts:
            raise MoveRefused(f"{each!r} is no writable database of the tenants; these are: {', '.join(hosts)}.")
    if to == db:
        raise MoveRefused(f"Tenants of {db!r} can't be moved off it to {to!r}.")
    if to is None and not _others(db):
        raise MoveRefused(f"There is no database but {db!r} that tenants may be placed in: name one by --to.")
    for each, reason in silent([db, *([to] if to else ())]).items():
        raise MoveRefused(f"Database {each!r} does not answer: {reason}")


def _errands(db: str, to: str | None, away: dict[str, str]) -> Iterator[Errand]:
    """The tenants, each with where it goes to; then those that came meanwhile."""
    if to is None:
        away |= silent(_others(db))
    tried: set[Any] = set()
    while left := list(tenants_to_drain(db).exclude(pk__in=tried)):
        for tenant in left:
            tried.add(tenant.pk)
            try:
                yield Errand(tenant, db, to or _elsewhere(tenant, db, away))
            except Exception as error:
                # A strategy is the project's own.
                yield Errand(tenant, db, "", reason_of(error))


def _elsewhere(tenant: AbstractTenant, db: str, away: Collection[str]) -> str:
    others = _others(db)
    answering = [other for other in others if other not in away]
    return choose_database(tenant, answering or others)


def _others(db: str) -> list[str]:
    return [other for other in conf.databases if other != db]

"""`ATOMIC_REQUESTS` for tenants: a request's transaction is on the database of its tenant, and on no other.

Django begins one on each database that has the setting, whatever the view does, so no request would be served while one
of them is away. On the public host it is on the registry's database. Databases that hold neither tenants nor the
registry are left to Django.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import connections

from django_schemas.environments import databases_of, primary_of
from django_schemas.exceptions import ConfigError

from .conf import REGISTRY, conf
from .context import current_tenant

__all__ = ["OfItsOwn", "confine_transactions"]


@dataclass(frozen=True, slots=True)
class OfItsOwn:
    """What `ATOMIC_REQUESTS` of a database is: true while a request is served whose rows are there.

    Attributes:
        db: alias of the database.
    """

    db: str

    def __bool__(self) -> bool:
        tenant = current_tenant()
        return self.db in databases_of(REGISTRY) if tenant is None else self.db == tenant.db


def confine_transactions() -> None:
    """Have `ATOMIC_REQUESTS` of the databases that hold tenants, or the registry, hold for their own requests."""
    with suppress(ConfigError):  # A check tells what is wrong.
        ours = {*databases_of(REGISTRY), *databases_of(conf.environment)}
        settings: Any = connections.settings
        for alias, options in settings.items():
            if options["ATOMIC_REQUESTS"] and primary_of(alias) in ours:
                options["ATOMIC_REQUESTS"] = OfItsOwn(alias)

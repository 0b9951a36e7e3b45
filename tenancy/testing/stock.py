"""The stock: schemas of the test database that are made once and wait for the tenants of tests.

They are the pool's (`tenancy.pool`): a tenant that a test makes takes one and renames it, in the test's transaction,
and with that it comes back. A test that commits takes it for good, and has Django empty the tables of the registry: so
between tests the rows of schemas that are still there are put back, and schemas whose owner has no row are dropped.
Only databases that were made for tests are touched.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db import connections, router
from django.db.models import QuerySet

from django_schemas.schemas import drop_schema, marks_on

from .. import registry
from ..conf import conf
from ..exceptions import TenancyError
from ..filling import fill, ready, sweep
from ..pool import PooledSchema
from ..registry import tenant_model

__all__ = ["clear", "home", "miss", "refuse_others", "restock"]

_MOST = 8
"""How many are kept of a database at most. More tenants than that in one test have theirs made there and then."""

_wanted: Counter[str] = Counter()
_made: dict[str, list[PooledSchema]] = {}


def home() -> str:
    """The database that tests' tenants are in unless they say: the registry's if tenants may be there."""
    db = str(router.db_for_write(tenant_model()))
    return db if db in conf.databases else conf.databases[0]


def refuse_others(*databases: str) -> None:
    """Raise TenancyError unless these databases were all made for tests."""
    for db in databases:
        if not _is_for_tests(db):
            raise TenancyError(
                f"Database {db!r} was not made for tests by Django's runner or pytest-django: the test kit makes no "
                "tenants there. Name it in `databases` of the test case, and let the runner make it."
            )


def miss(db: str) -> None:
    """Note that nothing waited for a tenant of a database: one more is to, the next time."""
    _wanted[db] = min(_wanted[db] + 1, _MOST)


def restock(databases: Iterable[str] | None = None) -> None:
    """Have as many schemas wait as tests have wanted so far; to be called where no transaction is open.

    Args:
        databases: which may be asked; all if None.
    """
    registry.forget()
    _wanted[home()] = max(_wanted[home()], 1)
    for db in _among(databases):
        _begin(db)
    short = [db for db in _among(databases) if _wanted[db] and _wanted[db] > ready(db)]
    if short:
        # Some were taken for good, by a test that may have left others behind.
        clear(databases)
    for db in short:
        _put_back(db)
        _made[db] += fill(db, _wanted[db])


def clear(databases: Iterable[str] | None = None) -> None:
    """Drop the schemas that a test committed and left without a tenant; to be called where no transaction is open.

    Args:
        databases: which may be asked; all if None.
    """
    registry.forget()
    for db in _among(databases):
        _begin(db)
        for schema in _left(db):
            drop_schema(db, schema)


def _among(databases: Iterable[str] | None) -> list[str]:
    named = [db for db in conf.databases if databases is None or db in databases]
    return [db for db in named if _is_for_tests(db)]


def _is_for_tests(db: str) -> bool:
    creation: Any = connections[db].creation
    return bool(creation.is_for_tests())


def _begin(db: str) -> None:
    """Take what an earlier run has left in a database that is kept, if it is up to date."""
    if db not in _made:
        sweep(db)
        _made[db] = list(_rows().filter(db=db))


def _put_back(db: str) -> None:
    """Have the rows again of what waits: a flush has emptied their table."""
    there = marks_on(db, conf.environment)
    _made[db] = [made for made in _made[db] if there.get(made.schema_name) == made.mark]
    _rows().bulk_create(_made[db], ignore_conflicts=True)


def _rows() -> QuerySet[PooledSchema]:
    return PooledSchema.objects.using(router.db_for_write(PooledSchema))


def _left(db: str) -> list[str]:
    """The schemas that were made for an owner which is no tenant, and that do not wait."""
    waiting = {str(made.pk) for made in _made[db]}
    marks = {schema: mark.owner for schema, mark in marks_on(db, conf.environment).items() if mark.owner not in waiting}
    if not any(marks.values()):
        return []
    tenants = tenant_model()._default_manager.using(router.db_for_write(tenant_model()))
    known = {None, *map(str, tenants.values_list("pk", flat=True))}
    return [schema for schema, owner in marks.items() if owner not in known]

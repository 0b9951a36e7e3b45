"""Checking: compares what tenants' schemas hold with what their migrations make, and finds what dead operations left.

Each finding says what is wrong, where, and how it is mended. What can be mended without losing anything is, if asked:
missing indexes and constraints are made, sequences set forward, records put right. No table or column is ever dropped.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connections, router
from django.utils import timezone

from django_schemas.catalog import (
    SCRATCH,
    Difference,
    catalog_of,
    compare,
    expected_catalog,
    late_sequences,
    mend,
    narrow,
)
from django_schemas.cohorts import Cohort, Key, amend_records, cohorts_of
from django_schemas.environments import databases_of
from django_schemas.schemas import Mark, marks_on

from .conf import conf
from .exceptions import TenantBusy
from .models import AbstractTenant
from .registry import tenant_model
from .states import Status
from .work import working_on

__all__ = ["Checker", "Finding", "debris"]

_SERVED = (Status.ACTIVE, Status.SUSPENDED)
"""Statuses of tenants whose schema should be whole."""

_SLOW = timedelta(minutes=10)
"""After which provisioning is taken for cut off."""

_OLD = timedelta(days=30)
"""After which what was set aside is told of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        slug: whose; empty if no tenant's.
        place: the schema, as `db.schema`.
        kind: a word for it: `missing`, `extra`, `different`, `behind`, `stale`, `unrecorded`, `sequence`, `debris`, ...
        what: what is wrong.
        mend: how it is mended.
        fixed: whether it was mended just now.
        note: whether it does no harm.
    """

    slug: str
    place: str
    kind: str
    what: str
    mend: str
    fixed: bool = False
    note: bool = False


class Checker:
    """Checks tenants, and remembers what the schemas of each cohort should hold.

    Args:
        fix: mend what is safe.
    """

    def __init__(self, fix: bool = False) -> None:
        self.fix = fix
        self._expected: dict[Any, Any] = {}

    def check(self, tenants: Sequence[AbstractTenant], done: Callable[[], None] = lambda: None) -> Iterator[Finding]:
        """Check tenants; `done` is called behind each."""
        by_db = defaultdict(list)
        for tenant in tenants:
            by_db[tenant.db].append(tenant)
        for db, there in by_db.items():
            marks = marks_on(db)
            whole = {}
            for tenant in there:
                findings = list(_standing(tenant, marks))
                yield from findings
                if tenant.status in _SERVED and tenant.work is None and not findings:
                    whole[tenant.schema_name] = tenant
                else:
                    done()
            for cohort in cohorts_of(db, list(whole), conf.environment):
                for schema in cohort.schemas:
                    yield from self._check_schema(whole[schema], cohort)
                    done()

    def _check_schema(self, tenant: AbstractTenant, cohort: Cohort) -> Iterator[Finding]:
        found = catalog_of(tenant.alias)
        run = tuple(key for key in cohort.behind if key not in cohort.gaps)
        differences = self._compare(found, cohort, cohort.gaps)
        unrecorded = cohort.gaps
        real = [each for each in differences if not each.is_note]
        if run and real and not self._compare(found, cohort, cohort.behind):
            unrecorded, run, differences, real = cohort.behind, (), [], []
        say = _Teller(tenant, self.fix)
        if run:
            yield say(
                "behind",
                f"{len(run)} migrations are not applied: {_listed(run)}",
                f"manage.py tenant migrate {tenant.slug}",
            )
        yield from self._records(say, tenant, unrecorded, cohort, real)
        yield from self._structure(say, tenant, differences)

    def _records(
        self, say: "_Teller", tenant: AbstractTenant, unrecorded: Collection[Key], cohort: Cohort, real: Collection[Any]
    ) -> Iterator[Finding]:
        safe = not real
        advice = "tenant check --fix, once the schema is as its other records say" if real else "tenant check --fix"
        for key in unrecorded:
            yield say(
                "unrecorded",
                f"migration {'.'.join(key)} is not recorded, and what it makes is there",
                f"{advice} records it",
                partial(amend_records, tenant.alias, add=[key]) if safe else None,
            )
        for keys, why in (
            (cohort.stale, "the code has no such migration"),
            (cohort.foreign, "its app has no models in this environment"),
        ):
            for key in keys:
                yield say(
                    "stale",
                    f"migration {'.'.join(key)} is recorded, and {why}",
                    f"{advice} removes the record; unless a newer release made it",
                    partial(amend_records, tenant.alias, remove=[key]) if safe else None,
                )

    def _structure(
        self, say: "_Teller", tenant: AbstractTenant, differences: Sequence[Difference]
    ) -> Iterator[Finding]:
        late = late_sequences(tenant.alias)
        outcomes = {}
        if self.fix and (late or any(each.is_safe for each in differences)):
            with working_on(tenant.slug):
                outcomes = mend(tenant.alias, differences, late)
        for difference in differences:
            error = outcomes.get(difference)
            yield replace(
                say(difference.what, str(difference), error or _remedy(difference)),
                fixed=error == "",
                note=difference.is_note,
            )
        for sequence in late:
            error = outcomes.get(sequence)
            yield replace(
                say("sequence", str(sequence), error or "tenant check --fix sets it forward"), fixed=error == ""
            )

    def _compare(self, found: Any, cohort: Cohort, more: Collection[Key]) -> list[Difference]:
        """What is not as the records of a cohort, and some more migrations, make it."""
        known = {*cohort.applied, *more}
        reached = replace(
            cohort,
            applied=tuple(key for key in (*cohort.applied, *cohort.behind) if key in known),
            behind=tuple(key for key in cohort.behind if key not in known),
        )
        expected = self._expect(reached, wide=False)
        if narrow(expected) and not narrow(found):
            expected = self._expect(reached, wide=True)
        return compare(expected, found)

    def _expect(self, cohort: Cohort, *, wide: bool) -> Any:
        key = cohort.db, frozenset(cohort.applied), wide
        if key not in self._expected:
            self._expected[key] = expected_catalog(cohort, conf.environment, wide=wide)
        return self._expected[key]


@dataclass(frozen=True, slots=True)
class _Teller:
    """Makes findings of one tenant, and mends them if that was asked for and can be."""

    tenant: AbstractTenant
    fix: bool

    def __call__(self, kind: str, what: str, remedy: str, mend: Callable[[], None] | None = None) -> Finding:
        finding = Finding(self.tenant.slug, str(self.tenant.placement), kind, what, remedy)
        if not self.fix or mend is None:
            return finding
        with working_on(self.tenant.slug):
            mend()
        return replace(finding, fixed=True)


def debris() -> Iterator[Finding]:
    """What dead operations left: schemas that no tenant has, or that were set aside long ago."""
    model = tenant_model()
    tenants = {str(tenant.pk): tenant for tenant in model._default_manager.using(router.db_for_write(model))}
    for db in databases_of(conf.environment):
        for schema, mark in marks_on(db).items():
            if mark is not None and mark.environment == conf.environment and mark.owner is not None:
                yield from _left(db, schema, mark.owner, tenants.get(mark.owner))


def _left(db: str, schema: str, owner: str, tenant: AbstractTenant | None) -> Iterator[Finding]:
    place, drop = f"{db}.{schema}", f"look into it, then django_schemas.migrations.flush({db!r}, {schema!r})"
    if schema == SCRATCH:
        yield Finding("", place, "debris", "a check that was cut off left its scratch schema", drop)
    elif tenant is None:
        yield Finding("", place, "debris", f"is marked as that of tenant {owner}, and there is none", drop)
    elif tenant.work is not None or (schema == tenant.schema_name and _same(db, tenant.db)):
        return
    elif not schema.startswith("_"):
        yield Finding(
            tenant.slug,
            place,
            "debris",
            f"is marked as {tenant.slug}'s, which lives in {tenant.placement}",
            "find out which of the two holds its data before you drop either",
        )
    elif timezone.now() - tenant.status_since > _OLD:
        remedy = f"manage.py tenant purge {tenant.slug}" if tenant.status == Status.DELETING else drop
        yield Finding(tenant.slug, place, "debris", f"was set aside over {_OLD.days} days ago", remedy)


def _same(one: str, other: str) -> bool:
    """Tell whether two aliases are set to lead to one database."""
    return all(
        connections[one].settings_dict.get(key) == connections[other].settings_dict.get(key)
        for key in ("HOST", "PORT", "NAME")
    )


def _standing(tenant: AbstractTenant, marks: dict[str, Mark | None]) -> Iterator[Finding]:
    """What is wrong with a tenant as such."""
    say = _Teller(tenant, fix=False)
    if tenant.work is not None and not _worked_on(tenant):
        kind = tenant.work.get("kind", "work")
        yield say("work", f"nobody goes on with its {kind}", f"manage.py tenant resume-work {tenant.slug}")
    elif tenant.status == Status.FAILED:
        yield say("failed", tenant.status_reason or "it failed", f"manage.py tenant provision {tenant.slug}")
    elif tenant.status == Status.PROVISIONING and timezone.now() - tenant.status_since > _SLOW:
        yield say("provisioning", "it was not provisioned to the end", f"manage.py tenant provision {tenant.slug}")
    if tenant.status not in _SERVED or tenant.work is not None:
        return
    mark = marks.get(tenant.schema_name)
    if tenant.schema_name not in marks:
        yield say("missing", "its schema is missing", "restore it from a backup, or delete and purge the tenant")
    elif mark is None or mark.owner != str(tenant.pk):
        yield say("mark", f"its schema is marked {str(mark) if mark else 'by nobody'!r}", "find out whose it is")


def _worked_on(tenant: AbstractTenant) -> bool:
    try:
        with working_on(tenant.slug):
            return False
    except TenantBusy:
        return True


def _remedy(difference: Difference) -> str:
    thing = difference.thing
    if difference.is_note:
        return "nothing need be done"
    if difference.is_safe:
        return f"tenant check --fix, or by hand: {thing.ddl}"
    if difference.what == "extra":
        return f"if nobody needs it, drop the {thing.kind} by hand"
    if difference.what == "comment":
        return "COMMENT ON it by hand"
    if difference.what == "different":
        return f"alter it by hand: {thing.definition}"
    return f"make the {thing.kind} by hand, as manage.py sqlmigrate tells"


def _listed(keys: Sequence[Key], most: int = 5) -> str:
    return ", ".join(".".join(key) for key in keys[:most]) + (", ..." if len(keys) > most else "")

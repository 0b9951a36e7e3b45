"""Moving a tenant to another database without losing a write.

The order is what keeps the writes. An empty copy is made of its schema while the tenant is served. Then it is *moving*,
which everybody hears of in time. Its schema is fenced, so those who have not heard of it can't write either; copied in
one transaction of the target; compared; and renamed, so nobody can write to it any more. Only then the copy gets the
tenant's name, and the registry says where the tenant is now. What is left is dropped later.

Until then the copy has a name that nobody knows: whoever remembers the target from an earlier stay of the tenant's must
not write to what may be dropped again.

Cut off anywhere, it is taken up again by facts: if the schema still has its name, a copy is worth nothing, since the
fence fell with whoever had put it up, and is made again or dropped; if it has been renamed, the copy is complete.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from django.db import Error, connections, transaction

from django_schemas.alias import SchemaAlias
from django_schemas.caches import forget
from django_schemas.environments import alias_for, databases_of, replicas_of
from django_schemas.identifiers import qualified
from django_schemas.placement import Placement
from django_schemas.rows import copy_rows, make_like
from django_schemas.schemas import drop_schema, rename_sql, same_database, schema_exists

from .. import signals
from ..conf import conf
from ..events import TenantEvent, record
from ..exceptions import MoveFailed, MoveRefused, MoveUnfinished
from ..models import AbstractTenant
from ..ownership import owned
from ..provisioning import reason_of
from ..releasing import wait_until_free
from ..states import Status, check_transition
from ..work import working_on
from .fencing import fenced, without_timeouts
from .leftovers import aside_name, copy_name, drop_leftovers
from .resuming import resumes
from .sizes import Size, size_of

__all__ = ["Moved", "Outlook", "abort_move", "move", "outlook", "resume_move"]

KIND = "move"
"""What `work["kind"]` says."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a move would do.

    Attributes:
        old: where the tenant is.
        new: where it would be.
        aside: what the old schema would be called then.
        size: how much there is to copy.
        about_s: how long it would not be served, in seconds; a guess.
    """

    old: Placement
    new: Placement
    aside: str
    size: Size
    about_s: float


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did.

    Attributes:
        old: where the tenant was.
        new: where it is.
        aside: where the old schema is now; None if it was dropped.
        gap_s: how long the tenant was not served, in seconds.
        rows: how many were copied; None if an earlier attempt had copied them.
    """

    old: Placement
    new: Placement
    aside: Placement | None
    gap_s: float
    rows: int | None


@dataclass(frozen=True, slots=True)
class _Move:
    """A move under way, as the tenant's `work` has it."""

    tenant: AbstractTenant
    work: dict[str, Any]

    @property
    def source(self) -> SchemaAlias:
        return self.tenant.alias

    @property
    def copy_alias(self) -> SchemaAlias:
        return alias_for(self.work["to"], self.work["copy"], (conf.environment,))

    @property
    def copy(self) -> Placement:
        return Placement(self.work["to"], self.work["copy"])

    @property
    def old(self) -> Placement:
        return Placement(self.work["from"], self.work["schema"])

    @property
    def new(self) -> Placement:
        return Placement(self.work["to"], self.work["schema"])

    @property
    def aside(self) -> Placement:
        return Placement(self.work["from"], self.work["aside"])


def outlook(tenant: AbstractTenant, to: str) -> Outlook:
    """Find out whether a tenant can be moved, and what that would do. Nothing is changed.

    Raises:
        MoveRefused: it can't, and why.
        IllegalTransition: its status forbids it.
    """
    check_transition(tenant.slug, tenant.status, Status.MOVING)
    _refuse(tenant, to)
    size = size_of(tenant.placement)
    old, new = tenant.placement, Placement(to, tenant.schema_name)
    return Outlook(old, new, aside_name(tenant, tenant.db), size, _SETUP_S + size.size / _BYTES_PER_S)


def move(tenant: AbstractTenant, to: str, *, drop_source: bool = False) -> Moved:
    """Move a tenant to another database; or go on with that, if it was cut off.

    Args:
        tenant: an active or suspended one. It is not served meanwhile.
        to: alias of the database.
        drop_source: drop the old schema at once, which is set aside otherwise.

    Raises:
        MoveRefused: it can't be moved; nothing was done.
        MoveFailed: it could not be moved; it is where it was, and what it was.
        MoveUnfinished: it could neither be moved nor left where it was.
        TenantBusy: another process works on it.
    """
    _refuse_transaction(tenant)
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        if tenant.work is None or tenant.work["kind"] != KIND:
            check_transition(tenant.slug, tenant.status, Status.MOVING)
            _refuse(tenant, to)
            # Who remembers another tenant there would serve that one with this one's rows.
            wait_until_free(str(Placement(to, tenant.schema_name)), but=tenant)
            _begin(tenant, to, drop_source)
        elif tenant.work["to"] != to:
            raise MoveRefused(f"Tenant {tenant.slug!r} is being moved to {tenant.work['to']!r}: abort that first.")
        return resume_move(tenant)


def resume_move(tenant: AbstractTenant) -> Moved:
    """Go on with a move that was cut off, wherever that was.

    Raises:
        MoveRefused: there is none.
        MoveFailed: it could not be moved; it is where it was, and what it was.
        MoveUnfinished: it could neither be moved nor left where it was.
    """
    _refuse_transaction(tenant)
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        moving = _under_way(tenant)
        rows = None
        if _renamed(moving):
            with _switched(moving):
                pass
        else:
            rows = _carry_or_undo(moving)
        told = TenantEvent.objects.using(tenant.registry).filter(tenant_id=str(tenant.pk), kind="moved").latest("pk")
        dropped = moving.work["drop_source"] and drop_leftovers(tenant, only=moving.aside)
    return Moved(moving.old, moving.new, None if dropped else moving.aside, told.data["gap_s"], rows)


@resumes(KIND)
def _resume(tenant: AbstractTenant) -> str:
    return f"moved to {resume_move(tenant).new}"


def abort_move(tenant: AbstractTenant) -> None:
    """Leave a tenant where it is, whose move was cut off: drop the copy, and have the tenant be what it was.

    Raises:
        MoveRefused: there is no move, or it is complete but for the registry: it can only be resumed.
        TenantBusy: it is being moved just now.
    """
    _refuse_transaction(tenant)
    with working_on(tenant.slug):
        tenant.refresh_from_db()
        _undo(_under_way(tenant), "move aborted")


def _begin(tenant: AbstractTenant, to: str, drop_source: bool) -> None:
    """Write down what is to be done."""
    work = {
        "kind": KIND,
        "from": tenant.db,
        "to": to,
        "schema": tenant.schema_name,
        "copy": copy_name(tenant),
        "aside": aside_name(tenant, tenant.db),
        "was": tenant.status,
        "drop_source": drop_source,
    }
    tenant.work = work
    try:
        tenant.save(update_fields=("work", "updated_at"))
    except Error:
        # It may be committed, and only the answer be lost.
        connections[tenant.registry].close()
        tenant.refresh_from_db()
        if tenant.work != work:
            raise


def _carry_or_undo(moving: _Move) -> int | None:
    """Carry the rows over, all or none; how many."""
    tenant = moving.tenant
    try:
        return _carry(moving)
    except BaseException as error:
        _reconnect(moving)
        try:
            tenant.refresh_from_db()
            if tenant.work != moving.work:
                # Somebody else went on with it, or what cut us off hit us as it was done.
                if tenant.placement == moving.new:
                    return None
                raise MoveFailed(f"Tenant {tenant.slug!r}: another process went on with its move.") from error
            if _renamed(moving):
                with _switched(moving):
                    pass
                return None
            _undo(moving, f"move failed: {reason_of(error)}")
        except (MoveFailed, MoveRefused):
            raise
        except Exception as worse:
            raise MoveUnfinished(
                f"The move of tenant {tenant.slug!r} was cut off ({reason_of(error)}), and what to do now could not be "
                f"found out ({reason_of(worse)}). It is not served. Once all databases can be reached, say "
                f"`tenant resume-work {tenant.slug}`, or `tenant move {tenant.slug} --abort`."
            ) from error
        if not isinstance(error, Exception):
            raise
        raise MoveFailed(
            f"Tenant {tenant.slug!r} could not be moved to {moving.new.db!r}, and is {tenant.status} at "
            f"{tenant.placement} as before: {reason_of(error)}"
        ) from error


def _carry(moving: _Move) -> int:
    tenant, to = moving.tenant, moving.new.db
    with fenced(moving.source) as fence:
        _drop_copy(moving)
        # In no transaction of ours, since migrations may be that can be in none.
        made = make_like(fence.connection, moving.source, moving.copy_alias, owner=str(tenant.pk))
        if tenant.status != Status.MOVING:
            tenant.set_status(Status.MOVING, f"to {to}", was=moving.work["was"])
        fence.close()
        with transaction.atomic(using=to, durable=True):
            without_timeouts(connections[to])
            digests = copy_rows(fence.connection, connections[to], made)
        with _switched(moving):
            fence.rename(moving.aside.schema)
    return sum(digest.rows for digest in digests.values())


@contextmanager
def _switched(moving: _Move) -> Iterator[None]:
    """Write what makes the copy the tenant's home, and commit it behind the block, which is the point of no return.

    So whatever is wrong with the row of the registry, or the copy's name, is seen while there is a way back.
    """
    with transaction.atomic(using=moving.tenant.registry, durable=True):
        _flip(moving)
        with _renamed_copy(moving):
            yield
        _await_replicas(moving)


@contextmanager
def _renamed_copy(moving: _Move) -> Iterator[None]:
    """Give the copy the tenant's name behind the block, on a connection of its own: the registry may be there too."""
    connection = connections[moving.new.db].copy()
    try:
        connection.set_autocommit(False)
        # An earlier attempt may have come that far.
        if not owned(moving.tenant, moving.new):
            with connection.cursor() as cursor:
                copy = alias_for(*_pair(moving.copy), (conf.environment,))
                cursor.execute(rename_sql(copy, moving.new.schema))
        yield
        connection.commit()
    finally:
        connection.close()


def _flip(moving: _Move) -> None:
    """Have the registry say where the tenant is, in an open transaction."""
    tenant = moving.tenant
    registry = tenant.registry
    row = type(tenant)._default_manager.using(registry).select_for_update().get(pk=tenant.pk)
    if row.work != moving.work:
        raise MoveRefused(f"Tenant {tenant.slug!r}: another process went on with its move.")
    tenant.set_status(moving.work["was"], was=Status.MOVING, db=moving.new.db, work=None)
    gap_s = (tenant.status_since - row.status_since).total_seconds()
    record(tenant, "moved", old=str(moving.old), new=str(moving.new), aside=str(moving.aside), gap_s=gap_s)
    forget(moving.old.db, moving.old.schema)
    forget(moving.new.db, moving.new.schema)
    transaction.on_commit(
        lambda: signals.tenant_moved.send(sender=type(tenant), tenant=tenant, old=moving.old, new=moving.new),
        using=registry,
    )


def _undo(moving: _Move, reason: str) -> None:
    """Drop the copy, and have the tenant be what it was."""
    tenant = moving.tenant
    with fenced(moving.source):
        if _renamed(moving):
            raise MoveRefused(
                f"The move of tenant {tenant.slug!r} to {moving.new.db!r} is complete but for the registry, so it "
                f"can't be aborted: say `tenant resume-work {tenant.slug}`, and move it back if you mean to."
            )
        left = _copy_left(moving)
        with transaction.atomic(using=tenant.registry, durable=True):
            if tenant.status == Status.MOVING:
                tenant.set_status(moving.work["was"], reason, work=None)
            else:
                tenant.work = None
                tenant.save(update_fields=("work", "updated_at"))
            record(tenant, "stayed", reason=reason, left=str(moving.copy) if left else "")


def _copy_left(moving: _Move) -> bool:
    """Drop the copy if that can be done; tell whether it could not. A dead target must not keep a tenant unserved."""
    try:
        _drop_copy(moving)
    except Error:
        return True
    return False


def _drop_copy(moving: _Move) -> None:
    """Drop what an earlier attempt left at the target. The source's fence is up, so nobody is making it."""
    if owned(moving.tenant, moving.copy):
        drop_schema(*_pair(moving.copy))


def _renamed(moving: _Move) -> bool:
    """Tell whether the source has been renamed, so that the copy is all there is.

    Raises:
        MoveUnfinished: neither is there.
    """
    there, aside = owned(moving.tenant, moving.old), owned(moving.tenant, moving.aside)
    if there == aside:
        found = "both are there" if there else "neither is there"
        raise MoveUnfinished(
            f"Tenant {moving.tenant.slug!r} should be at {moving.old} or at {moving.aside}, and {found}: nothing is "
            "done. Look at both databases."
        )
    return aside


def _refuse_transaction(tenant: AbstractTenant) -> None:
    for db in (tenant.registry, *databases_of(conf.environment)):
        if connections[db].in_atomic_block:
            raise MoveRefused(f"A move takes several transactions: call it outside of the one that is open on {db!r}.")


def _under_way(tenant: AbstractTenant) -> _Move:
    work = tenant.work
    if work is None or work["kind"] != KIND:
        what = "nothing is" if work is None else f"{work['kind']} is"
        raise MoveRefused(f"Tenant {tenant.slug!r} is not being moved: {what} under way.")
    return _Move(tenant, work)


def _refuse(tenant: AbstractTenant, to: str) -> None:
    """Raise MoveRefused unless a tenant can be moved, as far as that can be told beforehand."""
    for reason in _reasons(tenant, to):
        raise MoveRefused(f"Tenant {tenant.slug!r} can't be moved to {to!r}: {reason}")


def _reasons(tenant: AbstractTenant, to: str) -> Iterator[str]:
    """Why a tenant can't be moved. Each is looked for only if there was none before."""
    if tenant.work is not None:
        yield f"{tenant.work['kind']} is under way; say `tenant resume-work {tenant.slug}` first."
    hosts = databases_of(conf.environment)
    if to not in hosts:
        yield f"that is no writable database of environment {conf.environment!r}; these are: {', '.join(hosts)}."
    if to == tenant.db or same_database(to, tenant.db):
        yield f"it is there: {tenant.placement}."
    if not owned(tenant, tenant.placement):
        yield f"schema {tenant.placement} is not there, or is not marked as this tenant's."
    with connections[to].cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        if cursor.fetchone() != ("off",):
            yield "that database is read only."
    yield from _names_taken(tenant, Placement(to, tenant.schema_name))
    yield from _ties(tenant.placement, to)
    for db in (tenant.db, to):
        yield from _too_many_locks(tenant.placement, db)


def _names_taken(tenant: AbstractTenant, new: Placement) -> Iterator[str]:
    others = type(tenant)._default_manager.using(tenant.registry).filter(db=new.db, schema_name=new.schema)
    if others:
        yield f"placement {new} belongs to tenant {others[0].slug!r}."
    if schema_exists(*_pair(new)):
        yield f"there is a schema {new} already; rename the tenant's first, or that one."


def _ties(old: Placement, to: str) -> Iterator[str]:
    """Foreign keys between the schema and others: what it refers to must be at the target, and none may refer to it."""
    with connections[old.db].cursor() as cursor:
        cursor.execute(_FOREIGN_KEYS, {"schema": old.schema})
        keys = cursor.fetchall()
    for name, table, other_schema, other_table, outward in keys:
        if not outward:
            yield f"{other_schema}.{other_table} refers to its {table} ({name}), and would be left behind."
        else:
            with connections[to].cursor() as cursor:
                cursor.execute("SELECT to_regclass(%s)", [qualified(other_schema, other_table)])
                if cursor.fetchone() == (None,):
                    yield f"its {table} refers to {other_schema}.{other_table} ({name}), which is not there."


def _too_many_locks(old: Placement, db: str) -> Iterator[str]:
    """PostgreSQL has room for so many locks, and one transaction takes one for each table, index and sequence."""
    with connections[old.db].cursor() as cursor:
        cursor.execute(_RELATIONS, [old.schema])
        (needed,) = cursor.fetchone()
    with connections[db].cursor() as cursor:
        cursor.execute(_ROOM)
        room, slots = cursor.fetchone()
    if needed > room:
        yield (
            f"{needed:,} tables, indexes and sequences need as many locks, and server {db!r} has room for {room:,}: "
            f"set its max_locks_per_transaction to {-(-2 * needed // slots)} or more."
        )


def _await_replicas(moving: _Move) -> None:
    """Wait a little until the target's replicas have the copy, since reads go there at once."""
    deadline = monotonic() + _REPLICAS_S
    for replica in replicas_of(moving.new.db):
        try:
            while not schema_exists(replica, moving.new.schema) and monotonic() < deadline:
                sleep(0.01)
        except Error:
            # A dead one is not read.
            connections[replica].close()


def _reconnect(moving: _Move) -> None:
    for db in {moving.old.db, moving.new.db, moving.tenant.registry}:
        connections[db].close()


def _pair(place: Placement) -> tuple[str, str]:
    return place.db, place.schema


_SETUP_S, _BYTES_PER_S = 1.0, 10_000_000
"""What a move takes, roughly: to make the schema, and to copy and compare what is on disk."""

_REPLICAS_S = 5.0

_FOREIGN_KEYS = """
    SELECT k.conname::text, own.relname::text, n.nspname::text, other.relname::text, k.conrelid = own.oid
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class own ON own.oid IN (k.conrelid, k.confrelid)
    JOIN pg_catalog.pg_class other ON other.oid = CASE own.oid WHEN k.conrelid THEN k.confrelid ELSE k.conrelid END
    JOIN pg_catalog.pg_namespace n ON n.oid = other.relnamespace
    JOIN pg_catalog.pg_namespace home ON home.oid = own.relnamespace
    WHERE k.contype = 'f' AND home.nspname = %(schema)s AND n.nspname <> %(schema)s
    ORDER BY 1
"""
_RELATIONS = """
    SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'i', 'I', 'S')
"""
_ROOM = """
    WITH s AS (
        SELECT current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int AS slots
    )
    SELECT current_setting('max_locks_per_transaction')::int * slots - (SELECT count(*) FROM pg_catalog.pg_locks), slots
    FROM s
"""

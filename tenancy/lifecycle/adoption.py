"""Adopting: tables and schemas that were there before this package become tenants', in place, with all their rows.

Two ways lead here. `adopt_tables` moves the tables of a project that served one customer out of their schema into a new
tenant's. `adopt_schema` takes over a schema that a tenant has had all along, under another package. Either is one
transaction where the registry is in the same database; elsewhere the schema is marked first, and what was cut off
between the two is ended by `adopt_schema`, which takes the tenant's id from the mark.

Nothing is provisioned or migrated by it, and no signal of provisioning is sent: what is there is taken as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, connections, models, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory

from django_schemas.citus import has_citus
from django_schemas.environments import environments, home
from django_schemas.history import check_history
from django_schemas.identifiers import qualified, quote
from django_schemas.membership import app_labels_of, environments_of, models_of
from django_schemas.migrator import make_records
from django_schemas.plans import target_of, targets_on
from django_schemas.records import read_records
from django_schemas.roles import give
from django_schemas.schemas import ensure_schema, lock_schema, mark_of, schema_exists

from ..conf import conf
from ..events import record
from ..exceptions import AdoptionRefused, TenantExists
from ..models import AbstractTenant
from ..pool import pooled_id
from ..registry import domain_model, tell_of_change, tenant_model
from ..standing import read
from ..states import Status
from ..work import working_on

__all__ = ["Host", "Moves", "adopt_schema", "adopt_tables", "forget_records", "moves_of", "registered"]

_RECORDS = "django_migrations"
_TABLES = """
SELECT c.relname::text, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid
WHERE nspname = %s AND relkind IN ('r', 'p')
"""
_REFERENCES = """
SELECT format('%%s.%%s', n.nspname, r.relname), conname::text, rn.nspname::text, rr.relname::text,
    conrelid = ANY(%(moving)s), confrelid = ANY(%(moving)s)
FROM pg_catalog.pg_constraint
JOIN pg_catalog.pg_class r ON r.oid = conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_class rr ON rr.oid = confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid = rr.relnamespace
WHERE contype = 'f' AND conparentid = 0 AND (conrelid = ANY(%(moving)s)) <> (confrelid = ANY(%(moving)s))
ORDER BY 1, 2
"""
"""Foreign keys between tables that are moved and tables that stay."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host name that a tenant is reached by.

    Attributes:
        host: as it is written.
        is_primary: whether links use it.
        redirects: whether it redirects to the primary one.
    """

    host: str
    is_primary: bool = False
    redirects: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """What `adopt_tables` would do.

    Attributes:
        source: the schema that the tables are in.
        tables: those that are moved.
        labels: apps whose records of migrations are moved.
        shared: apps whose records are copied, since they have models that stay.
        left: other tables that stay.
    """

    source: str
    tables: tuple[str, ...]
    labels: tuple[str, ...]
    shared: tuple[str, ...]
    left: tuple[str, ...]


def moves_of(tenant: AbstractTenant, source: str, also: Iterable[str] = ()) -> Moves:
    """Find out what is to be moved for a tenant, and whether it can be.

    Args:
        tenant: not saved yet; what is blank is filled in as for any new tenant.
        source: name of the schema that the tables are in.
        also: tables that are moved although no model has them, as those that a migration made by itself.

    Raises:
        AdoptionRefused: a table is missing, a foreign key would lead from what stays to what moves or to where the
            project no longer looks, or the schema to move to is there already.
        TenantExists: a tenant has this slug or placement.
    """
    tenant.clean()
    _refuse_registered(tenant)
    if has_citus(connections[tenant.db]):
        raise AdoptionRefused(
            f"Database {tenant.db!r} is of Citus, which moves no table to another schema: adopt the tenant into a "
            "database without it, and move it here by `tenant move`."
        )
    mark = mark_of(tenant.db, source)
    if mark is not None and not _is_home(tenant.db, source):
        raise AdoptionRefused(f"Schema {tenant.db}.{source} is one that was made by this package ({mark}): not taken.")
    if schema_exists(tenant.db, tenant.schema_name):
        raise AdoptionRefused(
            f"Schema {tenant.placement} is there already: give another by --schema, or take it over as it is "
            f"by `tenant adopt --schemas {tenant.schema_name}`."
        )
    there = _tables(tenant.db, source)
    wanted = sorted({*_model_tables(), *also})
    _refuse_missing(f"{tenant.db}.{source}", wanted, there)
    _refuse_references(tenant, source, [there[table] for table in wanted])
    labels = app_labels_of(conf.environment)
    staying = {model._meta.app_label for model in apps.get_models() if conf.environment not in environments_of(model)}
    return Moves(
        source,
        tuple(wanted),
        tuple(sorted(labels - staying)),
        tuple(sorted(labels & staying)),
        tuple(sorted(set(there) - set(wanted) - {_RECORDS})),
    )


def adopt_tables(tenant: AbstractTenant, source: str, also: Iterable[str] = ()) -> Moves:
    """Move the tables of the tenants' environment out of a schema into the one of a new tenant, which becomes active.

    Args, Raises:
        As `moves_of`; if it raises, nothing was done.
    """
    tenant.clean()
    with _adopting(tenant):
        moves = moves_of(tenant, source, also)
        ensure_schema(tenant.alias, owner=str(tenant.pk))
        with connections[tenant.db].cursor() as cursor:
            for table in moves.tables:
                cursor.execute(f"ALTER TABLE {qualified(source, table)} SET SCHEMA {quote(tenant.schema_name)}")
        # What was not made there has got no rights by default.
        give(tenant.alias)
        make_records(target_of(tenant.alias))
        if _RECORDS in _tables(tenant.db, source):
            _move_records(tenant, moves)
        _refuse_gaps(tenant)
        _register(tenant, (), source=source, tables=len(moves.tables))
    return moves


def adopt_schema(tenant: AbstractTenant, hosts: Sequence[Host] = (), *, dry_run: bool = False) -> list[str]:
    """Take over a schema as it is: mark it as a new tenant's, which becomes active, and register its hosts.

    Records of migrations of apps that have no models in the tenants' environment are deleted from it, since a schema
    records what it holds.

    Args:
        tenant: not saved yet, with the schema's name and database.
        hosts: what it is reached by.
        dry_run: find out whether it can be done, and what would be; do nothing.

    Returns:
        The apps whose records are deleted.

    Raises:
        AdoptionRefused: the schema, a table of it or a record of a migration is missing, or it is another's.
        TenantExists: another tenant has the slug or a host.
    """
    tenant.clean()
    with _adopting(tenant):
        _refuse_registered(tenant)
        _take_over_mark(tenant)
        there = _tables(tenant.db, tenant.schema_name)
        _refuse_missing(str(tenant.placement), [*_model_tables(), _RECORDS], there)
        own = app_labels_of(conf.environment)
        foreign = [label for label in _recorded(tenant.db, tenant.schema_name) if label not in own]
        if not dry_run:
            lock_schema(tenant.alias)
            ensure_schema(tenant.alias, owner=str(tenant.pk), adopt=True)
            _delete_records(tenant.db, tenant.schema_name, foreign)
            _refuse_gaps(tenant)
            _register(tenant, hosts)
    return foreign


def registered(db: str, schema: str) -> AbstractTenant | None:
    """The tenant that a schema is registered for."""
    found: AbstractTenant | None = tenant_model()._default_manager.filter(db=db, schema_name=schema).first()
    return found


def forget_records(db: str) -> dict[str, list[str]]:
    """Delete, from the schemas that a database has once, the records of apps that have models elsewhere alone.

    Other packages record all apps' migrations in each schema.

    Returns:
        By schema, the apps whose records were deleted.
    """
    kept: dict[str, set[str]] = {}
    for target in targets_on(db):
        schema = target.alias.schema if target.alias is not None else "public"
        kept.setdefault(schema, set()).update(app_labels_of(target.environment))
    placed = set().union(*map(app_labels_of, environments()))
    deleted = {}
    for schema, labels in kept.items():
        foreign = [label for label in _recorded(db, schema) if label in placed - labels]
        if foreign:
            _delete_records(db, schema, foreign)
            deleted[schema] = foreign
    return deleted


@contextmanager
def _adopting(tenant: AbstractTenant) -> Iterator[None]:
    """One transaction of the registry, and within it one of the tenant's database, which is committed first."""
    registry = tenant.registry
    with working_on(tenant.slug), transaction.atomic(using=registry), transaction.atomic(using=tenant.db):
        yield


def _register(tenant: AbstractTenant, hosts: Iterable[Host], **data: Any) -> None:
    """Write the rows of a tenant that has its schema, without what follows the making of one."""
    registry = tenant.registry
    tenant.status = Status.ACTIVE
    tenant.migrated_to = read(tenant.db, [tenant.schema_name])[tenant.schema_name]
    try:
        with transaction.atomic(using=registry):
            type(tenant)._default_manager.using(registry).bulk_create([tenant])
    except IntegrityError as error:
        raise TenantExists(f"Slug {tenant.slug!r} or schema {tenant.placement} is taken by another tenant.") from error
    for host in hosts:
        domain_model()(host=host.host, tenant_id=tenant.pk, is_primary=host.is_primary, redirects=host.redirects).save(
            using=registry
        )
    record(tenant, "adopted", new=tenant.status, placement=str(tenant.placement), **data)
    # Rows made in bulk send no signal.
    tell_of_change(tenant, registry)


def _refuse_registered(tenant: AbstractTenant) -> None:
    same = models.Q(slug=tenant.slug) | models.Q(db=tenant.db, schema_name=tenant.schema_name)
    found = tenant_model()._default_manager.filter(same).first()
    if found is not None:
        raise TenantExists(f"Tenant {found.slug!r} has the slug {tenant.slug!r}, or owns {tenant.placement}.")


def _take_over_mark(tenant: AbstractTenant) -> None:
    """Take the id from the schema's mark, if it has one and nobody else is called so.

    Raises:
        AdoptionRefused: it is no schema of tenants, or another tenant's.
    """
    if not schema_exists(tenant.db, tenant.schema_name):
        raise AdoptionRefused(f"There is no schema {tenant.placement}.")
    if _is_home(tenant.db, tenant.schema_name):
        raise AdoptionRefused(f"Schema {tenant.placement} is declared as SCHEMA_NAME of an environment.")
    mark = mark_of(tenant.db, tenant.schema_name)
    if mark is None:
        return
    try:
        owner = UUID(mark.owner or "")
    except ValueError:
        owner = None
    if mark.environment != conf.environment or owner is None or pooled_id(tenant.schema_name, mark):
        raise AdoptionRefused(f"Schema {tenant.placement} belongs to another ({mark}).")
    if tenant_model()._default_manager.filter(pk=owner).exists():
        raise AdoptionRefused(f"Schema {tenant.placement} is marked as that of another tenant ({mark}).")
    tenant.pk = owner


def _is_home(db: str, schema: str) -> bool:
    """Tell whether an environment has this as its one schema."""
    homes = (home(name) for name, env in environments().items() if env.schema_name == schema)
    return any(alias is not None and alias.db == db for alias in homes)


def _model_tables() -> list[str]:
    """The tables of the tenants' environment."""
    found = {
        str.__str__(model._meta.db_table)
        for model in models_of(conf.environment)
        if model._meta.managed and not model._meta.proxy
    }
    return sorted(found)


def _tables(db: str, schema: str) -> dict[str, int]:
    """The tables of a schema, each with its object id."""
    with connections[db].cursor() as cursor:
        cursor.execute(_TABLES, [schema])
        return dict(cursor.fetchall())


def _refuse_missing(where: str, wanted: Iterable[str], there: Iterable[str]) -> None:
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise AdoptionRefused(
            f"In {where} there is no {', '.join(missing)}: migrate it with the project that it comes from first, "
            "or leave the apps of these tables out of the tenants' environment."
        )


def _refuse_references(tenant: AbstractTenant, source: str, moving: list[int]) -> None:
    with connections[tenant.db].cursor() as cursor:
        cursor.execute(_REFERENCES, {"moving": moving})
        crossing = cursor.fetchall()
    places = {
        str.__str__(model._meta.db_table): home(name)
        for name, env in environments().items()
        if env.single_schema
        for model in models_of(name)
    }
    faults = []
    for table, name, schema, other, from_moving, to_moving in crossing:
        place = places.get(other)
        if to_moving:
            faults.append(f"{name} of {table}, which stays, refers to {schema}.{other}")
        elif from_moving and place is not None and place.schema != schema:
            faults.append(f"{name} refers to {schema}.{other}, whose rows the project looks for in {place.placement}")
    if faults:
        raise AdoptionRefused(
            f"Foreign keys would cross the border: {'; '.join(faults)}. Put both apps into the tenants' environment, "
            f"or those that are to stay into one with SCHEMA_NAME {source!r}, or drop the key."
        )


def _refuse_gaps(tenant: AbstractTenant) -> None:
    try:
        check_history(target_of(tenant.alias))
    except InconsistentMigrationHistory as error:
        raise AdoptionRefused(f"{error} Migrate it with the project that it comes from first.") from error


def _recorded(db: str, schema: str) -> list[str]:
    """The apps of which a schema has recorded migrations."""
    return sorted({label for label, _ in read_records(db, [schema])[schema]})


def _move_records(tenant: AbstractTenant, moves: Moves) -> None:
    source, own = qualified(moves.source, _RECORDS), qualified(tenant.schema_name, _RECORDS)
    with connections[tenant.db].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {own} (app, name, applied) SELECT app, name, applied FROM {source} "
            "WHERE app = ANY(%s) ORDER BY id",
            [[*moves.labels, *moves.shared]],
        )
    _delete_records(tenant.db, moves.source, moves.labels)


def _delete_records(db: str, schema: str, labels: Iterable[str]) -> None:
    with connections[db].cursor() as cursor:
        cursor.execute(f"DELETE FROM {qualified(schema, _RECORDS)} WHERE app = ANY(%s)", [list(labels)])

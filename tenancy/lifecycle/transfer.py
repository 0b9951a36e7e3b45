"""Exporting a tenant to an archive, and importing one: into another database, under another name, with newer code."""

from pathlib import Path
from typing import Any

import django
from django.db import connections, transaction
from django.utils import timezone

import django_schemas
from django_schemas.digests import digests_of
from django_schemas.exceptions import SchemasError
from django_schemas.identifiers import qualified
from django_schemas.inventory import Inventory, Sequence, Table, inventory_of
from django_schemas.migrator import migrate_target
from django_schemas.plans import target_of
from django_schemas.rows import excluding, filling, make_empty, positions_of, records_of, set_positions
from django_schemas.snapshots import snapshot
from django_schemas.streams import Meter, Progress, read_rows, write_rows

from ..conf import conf
from ..events import record
from ..exceptions import ArchiveInvalid, TenantNotActive
from ..models import AbstractTenant
from ..states import Status
from .archives import Archive, reading, writing
from .copying import begin, fill, outside_transactions, tables_of
from .resuming import resumes

__all__ = ["export", "import_"]


def export(tenant: AbstractTenant, path: str | Path, *, progress: Progress | None = None) -> dict[str, Any]:
    """Write a tenant, as it is at one moment, to an archive; it may be served meanwhile.

    Returns:
        The manifest.

    Raises:
        TenantNotActive: it is neither active nor suspended.
    """
    outside_transactions(tenant.db)
    if tenant.status not in (Status.ACTIVE, Status.SUSPENDED):
        raise TenantNotActive(f"Tenant {tenant.slug!r} is {tenant.status}: it can't be exported.")
    schema = tenant.schema_name
    with writing(Path(path)) as archive, snapshot(tenant.alias) as connection:
        inventory = inventory_of(connection, schema)
        tables = excluding(inventory, ())
        digests = digests_of(connection, schema, tables)
        entries = []
        for number, table in enumerate(tables):
            meter = Meter(table.name, progress)

            def produce(write: Any, table: Table = table, meter: Meter = meter) -> None:
                def chunk_read(chunk: bytes) -> None:
                    meter.count(chunk)
                    write(chunk)

                read_rows(connection, schema, table, chunk_read)

            entry = archive.add(f"rows/{number:05}.copy", produce)
            meter.tell()
            entries.append(
                {
                    "name": table.name,
                    "columns": [list(column) for column in table.columns],
                    "checksum": str(digests[table.name].checksum),
                    **entry,
                }
            )
        positions = positions_of(connection, inventory)
        manifest = {
            "package": django_schemas.__version__,
            "django": django.get_version(),
            "postgresql": connection.pg_version,  # type: ignore[attr-defined]  # of PostgreSQL's wrapper
            "exported_at": timezone.now().isoformat(),
            "environment": tenant.alias.environment,
            "tenant": _facts_of(tenant),
            "migrations": records_of(connection, schema),
            "tables": entries,
            "sequences": [
                {"name": inventory.sequences[key].name, "owner": inventory.sequences[key].owner, "at": list(at)}
                for key, at in positions.items()
            ],
        }
        archive.close_with(manifest)
    record(tenant, "exported", new=Path(path).name)
    return manifest


def import_(
    path: str | Path,
    name: str | None = None,
    *,
    slug: str = "",
    db: str = "",
    schema_name: str = "",
    progress: Progress | None = None,
) -> AbstractTenant:
    """Make a tenant of an archive, and bring it to the newest migrations. Its hosts are not registered.

    Args:
        path: of the archive.
        name: of the tenant; as it was exported if None.
        slug: as it was exported, or made of the name if one is given.
        db: alias of its database; chosen by `PLACING` if empty.
        schema_name: made of the slug if empty.
        progress: told of each table.

    Returns:
        The tenant. One that the same call began, and that was cut off, goes on.

    Raises:
        ArchiveInvalid: it is damaged, or no archive of this project's tenants. Nothing is left.
        TenantExists: slug or placement are taken.
        ProvisioningFailed: its rows could not be written; the tenant is *failed* with the reason.
    """
    path = Path(path).absolute()
    with reading(path) as archive:
        facts = _checked(archive, path)["tenant"]
        archive.verify()
    work = {"kind": "import", "path": str(path)}
    tenant = begin(
        work,
        facts["name"] if name is None else name,
        slug=slug or ("" if name else facts["slug"]),
        db=db,
        schema_name=schema_name,
        settings=facts["settings"],
    )
    _import(tenant, progress)
    return tenant


@resumes("import")
def _resume(tenant: AbstractTenant) -> str:
    _import(tenant)
    return "imported"


def _import(tenant: AbstractTenant, progress: Progress | None = None) -> None:
    path = Path((tenant.work or {})["path"])

    def fill_schema(tenant: AbstractTenant) -> None:
        with reading(path) as archive:
            manifest = _checked(archive, path)
            records = [(app, migration) for app, migration in manifest["migrations"]]
            made = make_empty(tenant.alias, records, _inventory(manifest), owner=str(tenant.pk))
            with transaction.atomic(using=tenant.db):
                _write(archive, tenant, made, progress)
                _end_sessions(tenant, made)
        migrate_target(target_of(tenant.alias), owner=str(tenant.pk))
        record(tenant, "imported", old=manifest["tenant"]["slug"], new=tenant.slug)

    fill(tenant, fill_schema)


def _write(archive: Archive, tenant: AbstractTenant, made: Inventory, progress: Progress | None) -> None:
    connection, manifest = connections[tenant.db], archive.manifest
    entries = {entry["name"]: entry for entry in manifest["tables"]}
    with filling(connection, made):
        for table in excluding(made, set(made.roots) - set(entries)):
            meter = Meter(table.name, progress)
            columns = tuple((column, type_) for column, type_ in entries[table.name]["columns"])
            with archive.member(entries[table.name]) as read:

                def chunk_read(size: int, read: Any = read, meter: Meter = meter) -> bytes:
                    chunk: bytes = read(size)
                    meter.count(chunk)
                    return chunk

                write_rows(connection, tenant.schema_name, Table(table.name, columns), chunk_read)
            meter.tell()
        positions = {_sequence(each).key: tuple(each["at"]) for each in manifest["sequences"]}
        set_positions(connection, made, positions)
    found = digests_of(connection, tenant.schema_name, _inventory(manifest).roots.values())
    wrong = [
        name
        for name, digest in found.items()
        if (digest.rows, str(digest.checksum)) != (entries[name]["rows"], entries[name]["checksum"])
    ]
    if wrong:
        raise SchemasError(f"What was written is not what was exported: {', '.join(wrong)}.")


def _end_sessions(tenant: AbstractTenant, made: Inventory) -> None:
    """Who was logged in to the tenant that was exported, which may be there still, is not logged in here."""
    with connections[tenant.db].cursor() as cursor:
        for table in sorted(tables_of(conf.session_models) & made.tables.keys()):
            cursor.execute(f"DELETE FROM {qualified(tenant.schema_name, table)}")


def _checked(archive: Archive, path: Path) -> dict[str, Any]:
    """The manifest, with all that is read of it."""
    manifest = archive.manifest
    try:
        _inventory(manifest)
        facts = manifest["tenant"]
        whole = all(isinstance(facts[key], str) for key in ("name", "slug")) and isinstance(facts["settings"], dict)
        whole = whole and all(len(each) == 2 for each in manifest["migrations"])
        environment = manifest["environment"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveInvalid(f"The manifest of {path} is not whole: {error!r}.") from error
    if not whole:
        raise ArchiveInvalid(f"The manifest of {path} is not whole.")
    if environment != conf.environment:
        raise ArchiveInvalid(f"Archive {path} is of environment {environment!r}; tenants here are of another one.")
    return manifest


def _inventory(manifest: dict[str, Any]) -> Inventory:
    tables = {
        each["name"]: Table(each["name"], tuple((column, type_) for column, type_ in each["columns"]))
        for each in manifest["tables"]
        if each["member"] and each["sha256"] and each["rows"] >= 0 and each["bytes"] >= 0 and each["checksum"]
    }
    sequences = [_sequence(each) for each in manifest["sequences"] if len(each["at"]) == 2]
    return Inventory(manifest["tenant"]["slug"], tables, {each.key: each for each in sequences})


def _sequence(each: dict[str, Any]) -> Sequence:
    return Sequence(each["name"], tuple(each["owner"]) if each["owner"] else None)


def _facts_of(tenant: AbstractTenant) -> dict[str, Any]:
    domains = tenant.domains.all()  # type: ignore[attr-defined]
    return {
        "id": str(tenant.pk),
        "name": tenant.name,
        "slug": tenant.slug,
        "schema_name": tenant.schema_name,
        "status": tenant.status,
        "created_at": tenant.created_at.isoformat(),
        "settings": tenant.settings,
        "domains": [{"host": each.host, "primary": each.is_primary, "redirects": each.redirects} for each in domains],
    }

"""The tenants that another package kept in tables of its own, as django-tenants and django-pgschemas have them."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from django_schemas.identifiers import is_reserved, qualified

from ..exceptions import AdoptionRefused
from .adoption import Host

__all__ = ["Former", "former_tenants"]


@dataclass(slots=True)
class Former:
    """A tenant of another package.

    Attributes:
        schema: its schema.
        name: for people.
        hosts: what it is reached by.
        folders: addresses with a path, which are no hosts.
    """

    schema: str
    name: str
    hosts: list[Host] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def former_tenants(db: str, tenants: str, domains: str | None = None) -> list[Former]:
    """Read them, in the order in which they were made; `public`, which is a row there, is none.

    Args:
        db: alias of the database.
        tenants: `schema.table` with a row for each: `id`, `schema_name`, and `name` if there is one.
        domains: `schema.table` of their hosts: `tenant_id`, `domain`, and what more the packages have.

    Raises:
        AdoptionRefused: there is no such table, or it has no such columns.
    """
    found = {
        row["id"]: Former(row["schema_name"], str(row.get("name") or row["schema_name"]))
        for row in _read(db, tenants, "schema_name")
    }
    for former, rows in _by_tenant(found, _read(db, domains, "tenant_id", "domain") if domains else []):
        for row in rows:
            if row.get("folder"):
                former.folders.append(f"{row['domain']}/{row['folder']}")
            else:
                primary = bool(row.get("is_primary")) and not any(host.is_primary for host in former.hosts)
                former.hosts.append(Host(row["domain"], primary, bool(row.get("redirect_to_primary")) and not primary))
    return [former for former in found.values() if not is_reserved(former.schema)]


def _by_tenant(found: dict[Any, Former], rows: list[dict[str, Any]]) -> list[tuple[Former, list[dict[str, Any]]]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["tenant_id"]].append(row)
    return [(former, grouped[key]) for key, former in found.items()]


def _read(db: str, table: str, *columns: str) -> list[dict[str, Any]]:
    parts = re.fullmatch(r"([^.]+)\.([^.]+)", table)
    if parts is None:
        raise AdoptionRefused(f"{table!r} is no SCHEMA.TABLE: write public.{table} if it is in public.")
    name = qualified(parts[1], parts[2])
    with connections[db].cursor() as cursor:
        cursor.execute("SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(%s)", [name])
        there = {column for (column,) in cursor.fetchall()}
        missing = sorted({"id", *columns} - there)
        if missing:
            what = f"is no table {table}" if not there else f"are no columns {', '.join(missing)} in {table}"
            raise AdoptionRefused(f"There {what}, in database {db}.")
        cursor.execute(f"SELECT to_jsonb(t)::text FROM {name} t ORDER BY id")
        return [json.loads(row) for (row,) in cursor.fetchall()]

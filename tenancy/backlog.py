"""The backlog: which migrations tenants' schemas have not run yet.

However many it is asked for, each database is sent two statements. A schema without records has no backlog here: it is
not there, or its first migration failed.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db import connections
from django.db.migrations.loader import MigrationLoader

from django_schemas.identifiers import qualified
from django_schemas.membership import app_labels_of
from django_schemas.placement import Placement

from .conf import conf

__all__ = ["backlogs_of", "migration_names"]

_RECORDING = """
    SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relname = 'django_migrations' AND c.relkind = 'r'
"""


def backlogs_of(places: Collection[Placement]) -> dict[Placement, list[str]]:
    """The migrations, as `app.name`, that these schemas have not recorded, in the order in which they would be run."""
    by_db = defaultdict(list)
    for place in places:
        by_db[place.db].append(place.schema)
    wanted = migration_names()
    return {
        Placement(db, schema): [
            name
            for name, replaced in wanted.items()
            if name not in recorded and not (replaced and replaced <= recorded)
        ]
        for db, schemas in by_db.items()
        for schema, recorded in _recorded(db, schemas).items()
    }


def migration_names() -> dict[str, frozenset[str]]:
    """The migrations that a tenant's schema runs, in order; of a squashed one also those that it replaces."""
    labels = app_labels_of(conf.environment)
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    return {
        ".".join(key): frozenset(map(".".join, graph.nodes[key].replaces))
        for leaf in graph.leaf_nodes()
        for key in graph.forwards_plan(leaf)
        if key[0] in labels
    }


def _recorded(db: str, schemas: list[str]) -> dict[str, frozenset[str]]:
    with connections[db].cursor() as cursor:
        cursor.execute(_RECORDING, [schemas])
        found = [schema for (schema,) in cursor.fetchall()]
        if not found:
            return {}
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {index}, array_agg(app || '.' || name) FROM {qualified(schema, 'django_migrations')}"
                for index, schema in enumerate(found)
            )
        )
        rows: list[Any] = cursor.fetchall()
    return {found[index]: frozenset(names or ()) for index, names in rows}

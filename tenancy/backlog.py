"""The backlog: which migrations tenants' schemas have not run yet.

However many it is asked for, each database is sent a few statements. A schema without records has no backlog here: it
is not there, or its first migration failed.
"""

from collections import defaultdict
from collections.abc import Collection

from django.db.migrations.loader import MigrationLoader

from django_schemas.membership import app_labels_of
from django_schemas.placement import Placement
from django_schemas.records import read_records

from .conf import conf

__all__ = ["backlogs_of", "migration_names"]


def backlogs_of(places: Collection[Placement]) -> dict[Placement, list[str]]:
    """The migrations, as `app.name`, that these schemas have not recorded, in the order in which they would be run."""
    by_db = defaultdict(list)
    for place in places:
        by_db[place.db].append(place.schema)
    wanted = migration_names()
    found = {}
    for db, schemas in by_db.items():
        for schema, records in read_records(db, schemas).items():
            recorded = frozenset(map(".".join, records))
            if recorded:
                found[Placement(db, schema)] = [
                    name
                    for name, replaced in wanted.items()
                    if name not in recorded and not (replaced and replaced <= recorded)
                ]
    return found


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

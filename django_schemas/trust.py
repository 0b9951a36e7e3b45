"""A system check that asks databases: whom PostgreSQL lets make what every session finds.

Statements name tables with their schema, but functions, operators and types they leave to search_path. Whoever may
create in a schema on it can put a function there that suits the arguments better than PostgreSQL's own, and it runs
with the rights of whoever calls it: CVE-2018-1058.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

from .environments import environments_on

__all__ = ["check_trust"]

_OPEN = """
SELECT name::text FROM unnest(current_schemas(false)) AS name WHERE has_schema_privilege('public', name, 'CREATE')
"""


@register(Tags.database)
def check_trust(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W027: every role may create in a schema on search_path, as in `public` of databases made before PostgreSQL 15."""
    found: list[CheckMessage] = []
    for db in databases or ():
        if not environments_on(db):
            continue
        with connections[db].cursor() as cursor:
            cursor.execute(_OPEN)
            found += (
                Warning(
                    f"Every role may create in schema {schema!r} of database {db!r}, which is on search_path: "
                    "queries may run them instead of PostgreSQL's own.",
                    hint=f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC',
                    id="django_schemas.W027",
                )
                for (schema,) in cursor.fetchall()
            )
    return found

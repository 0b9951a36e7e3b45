"""Models in PostgreSQL schemas: every query bound to a (database, schema) placement, with no state on the connection.

The schema travels inside the database alias (`alias`), which the router (`routers`) answers with and Django passes on
everywhere; the backend's compilers (`backends.postgres.compiler`) write it in front of each table's name.
"""

from .ambient import wrap_context
from .binding import bind
from .context import active_placement, schema_context
from .placement import Placement
from .search_path import schema_cursor
from .spanning import across
from .transactions import allow_two_databases

__all__ = [
    "Placement",
    "__version__",
    "across",
    "active_placement",
    "allow_two_databases",
    "bind",
    "schema_context",
    "schema_cursor",
    "wrap_context",
]

__version__ = "0.1.0"

"""Creation of test databases: Django's, without threads of ours in their way."""

from typing import Any

from django.db.backends.postgresql import creation

from ...apart import hang_up

__all__ = ["DatabaseCreation"]

# The stubs lack what a creation has inside.
_DatabaseCreation: Any = creation.DatabaseCreation


class DatabaseCreation(_DatabaseCreation):  # type: ignore[misc]
    """Django's creation of test databases."""

    def _nodb_cursor(self) -> Any:
        # Asked for to create, clone or drop a database, which PostgreSQL refuses while there are connections to it.
        hang_up()
        return super()._nodb_cursor()

"""Creation of test databases: Django's, without threads of ours in their way, and with a memory of which they are."""

from typing import Any

from django.db.backends.postgresql import creation

from ...apart import hang_up

__all__ = ["DatabaseCreation"]

# The stubs lack what a creation has inside.
_DatabaseCreation: Any = creation.DatabaseCreation

_for_tests: set[str] = set()
"""What PostgreSQL calls the databases that were made for tests, or found for them, in this process or its parent."""


class DatabaseCreation(_DatabaseCreation):  # type: ignore[misc]
    """Django's creation of test databases."""

    def is_for_tests(self) -> bool:
        """Tell whether this connection leads to a database that was made for tests."""
        return self.connection.settings_dict["NAME"] in _for_tests

    def create_test_db(self, *args: Any, **kwargs: Any) -> str:
        """Make the test database, or take the one that is kept."""
        name = str(super().create_test_db(*args, **kwargs))
        _for_tests.add(name)
        return name

    def setup_worker_connection(self, _worker_id: int) -> None:
        """Lead to the clone of one of several processes."""
        super().setup_worker_connection(_worker_id)
        _for_tests.add(self.connection.settings_dict["NAME"])

    def _nodb_cursor(self) -> Any:
        # Asked for to create, clone or drop a database, which PostgreSQL refuses while there are connections to it.
        hang_up()
        return super()._nodb_cursor()

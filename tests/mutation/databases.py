"""Copies of the test databases as they were made, to put in the place of ones that a mutant left something in."""

from django.db import connections

__all__ = ["Copies"]


class Copies:
    """A copy of each test database. No connection to them may be open while one is made or put back."""

    def __init__(self) -> None:
        self.names = {}
        for connection in connections.all():
            name = connection.settings_dict["NAME"]
            self.names.setdefault(name, connection)

    def make(self) -> None:
        """Copy the databases."""
        connections.close_all()
        for name in self.names:
            self._replace(_copy_of(name), name)

    def restore(self) -> None:
        """Put the copies in the place of the databases, whoever is connected to them."""
        connections.close_all()
        for name in self.names:
            self._replace(name, _copy_of(name))

    def drop(self) -> None:
        """Drop the copies."""
        for name, connection in self.names.items():
            with connection.creation._nodb_cursor() as cursor:
                cursor.execute(f'DROP DATABASE IF EXISTS "{_copy_of(name)}" WITH (FORCE)')

    def _replace(self, name: str, template: str) -> None:
        connection = self.names.get(name) or self.names[template]
        with connection.creation._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def _copy_of(name: str) -> str:
    return f"{name}_as_made"

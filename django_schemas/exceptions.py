"""The errors this package raises.

Each has one base, `SchemasError`, and a docstring that is its default message. The message given at the raise names
the object, the state it was found in and the remedy.
"""

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

__all__ = [
    "ConfigError",
    "InvalidSchemaName",
    "NoActiveSchema",
    "ReadOnlyReplica",
    "SchemaDoesNotExist",
    "SchemaExists",
    "SchemaLocked",
    "SchemaMismatch",
    "SchemasError",
    "TooManyConnections",
    "TwoDatabases",
]


class SchemasError(Exception):
    """Something about schemas went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message if message is not None else type(self).__doc__)


class ConfigError(SchemasError, ImproperlyConfigured):
    """The settings do not say where this model's rows live."""


class NoActiveSchema(ConfigError):
    """No schema is bound or active for this model: use set_db(), schema_context() or a tenant's context."""


class SchemaMismatch(SchemasError, ValueError):
    """Objects of two schemas were mixed."""


class InvalidSchemaName(SchemasError, ValueError):
    """This is no valid schema name."""


class SchemaDoesNotExist(SchemasError):
    """This schema does not exist in the database."""


class SchemaExists(SchemasError):
    """This schema exists already and was not made by django_schemas."""


class SchemaLocked(SchemasError):
    """Another session holds a lock on what was to be changed in this schema."""


class ReadOnlyReplica(SchemasError):
    """A replica can only be read."""


class TooManyConnections(SchemasError, OperationalError):
    """This process has as many connections to this database as it may."""


class TwoDatabases(SchemasError):
    """A transaction is about to write to two databases, which are not committed together."""

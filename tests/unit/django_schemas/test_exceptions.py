"""The errors: their bases, and that their docstrings are their messages."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_schemas import exceptions

ERRORS = [getattr(exceptions, name) for name in exceptions.__all__]


@pytest.mark.parametrize("error", ERRORS)
def test_docstring_is_default_message(error: type[Exception]) -> None:
    """Raised without words an error says what its docstring says; raised with a message it says that."""
    assert str(error()) == error.__doc__
    assert str(error("x is y: do z.")) == "x is y: do z."
    assert str(error("")) == ""


def test_bases() -> None:
    """All share one base, and each can be caught as what Django or Python calls such an error."""
    names = {error.__name__: [base.__name__ for base in error.__mro__[1:] if base is not object] for error in ERRORS}
    tail = ["SchemasError", "ValueError", "Exception", "BaseException"]
    assert names == {
        "ConfigError": ["SchemasError", "ImproperlyConfigured", "Exception", "BaseException"],
        "InvalidSchemaName": tail,
        "NoActiveSchema": ["ConfigError", "SchemasError", "ImproperlyConfigured", "Exception", "BaseException"],
        "ReadOnlyReplica": ["SchemasError", "Exception", "BaseException"],
        "SchemaDoesNotExist": ["SchemasError", "Exception", "BaseException"],
        "SchemaExists": ["SchemasError", "Exception", "BaseException"],
        "SchemaLocked": ["SchemasError", "Exception", "BaseException"],
        "SchemaMismatch": tail,
        "TooManyConnections": [
            "SchemasError",
            "OperationalError",
            "DatabaseError",
            "Error",
            "Exception",
            "BaseException",
        ],
        "TwoDatabases": ["SchemasError", "Exception", "BaseException"],
        "SchemasError": ["Exception", "BaseException"],
    }
    assert issubclass(exceptions.ConfigError, ImproperlyConfigured)

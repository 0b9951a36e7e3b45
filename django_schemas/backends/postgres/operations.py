"""Operations: compiles with our compilers."""

from django.db.backends.postgresql import operations

__all__ = ["DatabaseOperations"]


class DatabaseOperations(operations.DatabaseOperations):
    """Django's operations, with our compilers."""

    compiler_module = "django_schemas.backends.postgres.compiler"

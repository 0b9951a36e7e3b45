"""Operations: ours, over GeoDjango's."""

from django.contrib.gis.db.backends.postgis.operations import PostGISOperations

from ..postgres import operations

__all__ = ["DatabaseOperations"]


class DatabaseOperations(operations.DatabaseOperations, PostGISOperations):
    """Compiles with our compilers, and with GeoDjango's operators and functions."""

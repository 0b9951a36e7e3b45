"""Whether PostGIS can be tested here: it takes the libraries that GeoDjango loads, and the server's extension."""

import os
from contextlib import closing
from ctypes.util import find_library

import psycopg2

__all__ = ["missing", "require"]


def missing(url: str) -> str:
    """What is not there, and the packages that bring it; empty if all is."""
    libraries = [name for name in ("gdal", "geos_c") if find_library(name) is None]
    if libraries:
        return f"no library {' and '.join(libraries)}: install GDAL and GEOS, which postgresql-NN-postgis-3 depends on"
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'postgis'")
        if cursor.fetchone() is None:
            return "the server has no PostGIS: install postgresql-NN-postgis-3 and use the server of those packages"
    return ""


def require(reason: str) -> None:
    """Skip the package that calls this if anything is missing; fail where continuous integration runs."""
    if reason and os.environ.get("CI"):
        raise RuntimeError(f"PostGIS must be tested here: {reason}")
    if reason:
        import pytest  # The settings import this module, in processes that have no tests too.

        pytest.skip(f"PostGIS: {reason}", allow_module_level=True)

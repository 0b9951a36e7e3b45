"""Introspection: ours, over GeoDjango's, which would take a column of another schema's table for this one's."""

from typing import Any

from django.contrib.gis.db.backends.postgis.introspection import PostGISIntrospection

from ...identifiers import quote
from ...search_path import local_search_path
from ..postgres import introspection

__all__ = ["DatabaseIntrospection"]


class DatabaseIntrospection(introspection.DatabaseIntrospection, PostGISIntrospection):
    """Looks into one schema, and knows spatial columns."""

    _SCHEMAS = """
        SELECT (SELECT nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = to_regclass(%s)),
               (SELECT nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                WHERE e.extname = 'postgis')
    """

    def get_geometry_type(self, table_name: str, description: Any) -> Any:
        """The kind of a spatial column, and what its field is to be told."""
        with self._in_schema(self._ops.schema_of(table_name)), self.connection.cursor() as cursor:
            cursor.execute(self._SCHEMAS, [quote(table_name)])
            schema, extension = cursor.fetchone()

        def in_its_schema(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            return execute(f"{sql} AND t.f_table_schema = %s", (*params, schema), many, context)

        # GeoDjango's one statement reads views of the extension's, of all schemas, and asks for the table's name alone.
        with local_search_path(self.connection, (extension,)), self.connection.execute_wrapper(in_its_schema):
            return super().get_geometry_type(table_name, description)

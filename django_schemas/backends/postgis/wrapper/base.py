"""The connection: ours, over GeoDjango's."""

from django.contrib.gis.db.backends.postgis import base

from ...postgres.wrapper.base import DatabaseWrapper as SchemaDatabaseWrapper
from ..introspection import DatabaseIntrospection
from ..operations import DatabaseOperations
from ..schema import DatabaseSchemaEditor

__all__ = ["DatabaseWrapper"]


class DatabaseWrapper(SchemaDatabaseWrapper, base.DatabaseWrapper):
    """One connection of one database with PostGIS, whichever schemas are asked through it."""

    ops_class = DatabaseOperations
    introspection_class = DatabaseIntrospection
    SchemaEditorClass = DatabaseSchemaEditor

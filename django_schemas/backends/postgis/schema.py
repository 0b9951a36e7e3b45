"""The schema editor: ours, over GeoDjango's, whose spatial indexes are dropped in the schema of their table."""

from django.contrib.gis.db.backends.postgis.schema import PostGISSchemaEditor

from ..postgres import schema

__all__ = ["DatabaseSchemaEditor"]


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor, PostGISSchemaEditor):
    """Runs in the schema that is being migrated, and makes spatial indexes."""

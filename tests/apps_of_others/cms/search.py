"""Wagtail's search in PostgreSQL, whose index is filled by raw SQL: that is sent in the tenant's schema."""

from modelsearch.backends.database.postgres.postgres import PostgresIndex, PostgresSearchBackend

from django_schemas import active_placement, schema_cursor

__all__ = ["SearchBackend"]


class Index(PostgresIndex):
    def add_items(self, model, objs):
        placement = active_placement("tenant")
        with schema_cursor(placement.db, placement.schema):
            super().add_items(model, objs)


class SearchBackend(PostgresSearchBackend):
    index_class = Index

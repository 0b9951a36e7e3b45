"""The ENGINE `django_schemas.backends.postgres.wrapper`."""

"""The ENGINE `django_schemas.backends.postgis.wrapper`."""

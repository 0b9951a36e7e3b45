"""An app with spatial fields, in a multi-schema environment that only a database with PostGIS hosts."""

"""Our PostgreSQL backend and GeoDjango's PostGIS backend in one, each module the two classes of its name.

The extension's types and functions are not named in full: GeoDjango writes none of their schema. They are found because
the extension lies in a schema of the connection's usual search_path (`public`), and, while a schema is migrated, in one
of `ADDITIONAL_SCHEMAS`.
"""

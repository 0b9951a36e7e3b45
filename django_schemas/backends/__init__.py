"""Database backends: Django's own PostgreSQL backends, with table names qualified by their schema."""

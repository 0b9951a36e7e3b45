"""This package: a schema's name travels inside the database alias."""

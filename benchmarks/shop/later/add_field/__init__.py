"""A column that is not null and has a default, the commonest of all changes."""

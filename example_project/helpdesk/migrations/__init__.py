"""Migrations of the help desk: they run once in each tenant's schema."""

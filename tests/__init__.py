"""Tests: `unit` needs no database, `integration` a real PostgreSQL, `acceptance` a running example project."""

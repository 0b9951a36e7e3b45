"""Through PgBouncer in transaction mode: many threads, few server connections, and nothing that leaks over them."""

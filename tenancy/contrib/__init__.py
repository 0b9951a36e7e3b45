"""Django's own services, kept apart by tenant: caches and files. Each module is used by naming it in a setting."""

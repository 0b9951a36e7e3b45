"""django-tenants: one connection whose search_path is the tenant's."""

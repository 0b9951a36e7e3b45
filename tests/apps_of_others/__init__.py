"""Other people's apps, unmodified, in one project of tenants: see docs/apps.md."""

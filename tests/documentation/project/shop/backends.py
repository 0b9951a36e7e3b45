"""A queue for Django's tasks, as background.md has it."""

import django_tasks_db

from tenancy.contrib.tasks import TenantBackend


class DatabaseBackend(TenantBackend, django_tasks_db.DatabaseBackend):
    pass

"""Plain Django. Its own `migrate` is measured too, in a database of its own."""

from ..project import MIDDLEWARE, MIGRATION_MODULES, TEMPLATES, TENANT_APPS, database

__all__ = ["MIDDLEWARE", "MIGRATION_MODULES", "TEMPLATES"]

SECRET_KEY = "for-measuring-only-" * 3
ROOT_URLCONF = "benchmarks.contenders.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database("django.db.backends.postgresql")}
INSTALLED_APPS = ["django.contrib.messages", *TENANT_APPS]

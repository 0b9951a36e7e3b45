"""As its documentation advises. Its clone reference and its executor are chosen by `work`."""

from typing import Any

from ..project import EASED, MIDDLEWARE, MIGRATION_MODULES, TEMPLATES, TENANT_APPS, database

__all__ = ["MIGRATION_MODULES", "TEMPLATES"]

SECRET_KEY = "for-measuring-only-" * 3
ROOT_URLCONF = "benchmarks.contenders.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database("django_pgschemas.postgresql")}
DATABASE_ROUTERS = ["django_pgschemas.routers.TenantAppsRouter"]
MIDDLEWARE = ["django_pgschemas.routing.middleware.DomainRoutingMiddleware", *MIDDLEWARE]
_SHARED_APPS = [
    "django_pgschemas",
    "benchmarks.contenders.pgschemas",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
]
PGSCHEMAS_LIMIT_SET_CALLS = EASED
TENANTS: dict[str, dict[str, Any]] = {
    "public": {"APPS": _SHARED_APPS},
    "default": {
        "TENANT_MODEL": "pgschemas.Client",
        "DOMAIN_MODEL": "pgschemas.Domain",
        "APPS": TENANT_APPS,
        "URLCONF": ROOT_URLCONF,
    },
}
INSTALLED_APPS = [*_SHARED_APPS, *(app for app in TENANT_APPS if app not in _SHARED_APPS)]

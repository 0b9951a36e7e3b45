"""As its documentation advises (install.rst). Its template and its executor are chosen by `work`."""

from ..project import EASED, MIDDLEWARE, MIGRATION_MODULES, TEMPLATES, TENANT_APPS, database

__all__ = ["MIGRATION_MODULES", "TEMPLATES", "TENANT_APPS"]

SECRET_KEY = "for-measuring-only-" * 3
ROOT_URLCONF = "benchmarks.contenders.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": database("django_tenants.postgresql_backend")}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
SHARED_APPS = [
    "django_tenants",
    "benchmarks.contenders.tenants",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
]
INSTALLED_APPS = [*SHARED_APPS, *(app for app in TENANT_APPS if app not in SHARED_APPS)]
TENANT_LIMIT_SET_CALLS = EASED
TENANT_MODEL = "tenants.Client"
TENANT_DOMAIN_MODEL = "tenants.Domain"

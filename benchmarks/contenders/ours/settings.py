"""As docs/index.md advises: a registry, and an environment that adopts the shop and Django's apps."""

from ..project import MIDDLEWARE, MIGRATION_MODULES, TEMPLATES, TENANT_APPS, database

__all__ = ["MIGRATION_MODULES", "TEMPLATES"]

SECRET_KEY = "for-measuring-only-" * 3
ROOT_URLCONF = "benchmarks.contenders.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {**database("django_schemas.backends.postgres.wrapper"), "ENVIRONMENTS": ["registry", "tenant"]},
}
DATABASE_ENVIRONMENTS = {"registry": {"SCHEMA_NAME": "registry"}, "tenant": {"APPS": TENANT_APPS}}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
TENANCY = {"ENVIRONMENT": "tenant", "BASE_DOMAIN": "bench.localhost", "LISTEN": False, "CACHE_TTL_S": 3600}
MIDDLEWARE = ["tenancy.middleware.TenantMiddleware", *MIDDLEWARE]
INSTALLED_APPS = ["django_schemas", "tenancy", "django.contrib.messages", *TENANT_APPS]

"""Settings of the measurement of requests: a usual project with the registry beside the tenants' environment."""

from .settings import (
    DATABASE_ROUTERS,
    DATABASES,
    DEFAULT_AUTO_FIELD,
    INSTALLED_APPS,
    USE_TZ,
)

__all__ = ["DATABASE_ROUTERS", "DEFAULT_AUTO_FIELD", "USE_TZ"]

# As in production: a connection is kept from one request to the next.
DATABASES = {alias: {**options, "CONN_MAX_AGE": None} for alias, options in DATABASES.items()}
DATABASES["default"]["ENVIRONMENTS"] = ["registry", "bench"]
DATABASE_ENVIRONMENTS: dict[str, dict[str, str]] = {"registry": {"SCHEMA_NAME": "bench_registry"}, "bench": {}}
INSTALLED_APPS = [
    "django_schemas",
    "tenancy",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    *INSTALLED_APPS[1:],
]
# Those of `django-admin startproject`.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# What is measured is a request whose tenant is remembered. By default, each process reads each tenant that it serves
# again every 5 s: one statement for a domain of its own, three for a sub-domain.
TENANCY = {"ENVIRONMENT": "bench", "BASE_DOMAIN": "bench.example", "CACHE_TTL_S": 3600}
ALLOWED_HOSTS = [".bench.example", ".customers.example"]
ROOT_URLCONF = "benchmarks.requests_site"
SECRET_KEY = "of no value to anybody"

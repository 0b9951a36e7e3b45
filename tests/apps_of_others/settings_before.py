"""The project before it took up other people's apps: it has tenants already, and Django's own apps in them."""

import os
import sys
from typing import Any

import environ

from tests.audit.processes import audit_process
from tools.driver import choose_driver

choose_driver()


def _database(variable: str, environments: list[str]) -> dict[str, Any]:
    engine = "django_schemas.backends.postgres.wrapper"
    found: dict[str, Any] = environ.Env.db_url_config(os.environ[variable], engine=engine)
    return {**found, "ENVIRONMENTS": environments}


DATABASES = {
    "default": _database("APPS_DEFAULT", ["registry", "tenant"]),
    "shard2": _database("APPS_SHARD2", ["tenant"]),
}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
CONTRIB = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
]
DATABASE_ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": CONTRIB},
    "tenant": {"APPS": CONTRIB},
}
INSTALLED_APPS = ["django_schemas", "tenancy", *CONTRIB, "django.contrib.messages"]
TENANCY: dict[str, Any] = {
    "BASE_DOMAIN": "saas.test",
    "LISTEN": False,
    "PUBLIC_URLCONF": "tests.apps_of_others.urls_public",
}
ROOT_URLCONF = "tests.apps_of_others.urls_public"
MIDDLEWARE = [
    "tenancy.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
SESSION_ENGINE = "tenancy.sessions.db"
SIGNING_BACKEND = "tenancy.signing.CookieSigner"
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "KEY_FUNCTION": "tenancy.contrib.cache.make_key",
    }
}
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.path.join(os.path.dirname(__file__), "templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ALLOWED_HOSTS = [".saas.test"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
SECRET_KEY = "for tests only, and long enough for whoever counts its characters"
STATIC_URL = "static/"
USE_TZ = True

# The tests' own process is audited by their plugin.
if "pytest" not in sys.modules:
    audit_process()

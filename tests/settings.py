"""Settings of the tests: a real PostgreSQL with two databases, and a replica of the first where there is one; and a
third database with PostGIS, and the app `atlas` in it, where the extension and its libraries are.
"""

import os
import sys
from typing import Any

import environ

from tests import postgis
from tests.audit.processes import audit_process
from tools import postgres
from tools.driver import choose_driver

choose_driver()
_cluster = postgres.ensure(standby=True)


def _database(url: str, **options: Any) -> dict[str, Any]:
    return {**environ.Env.db_url_config(url, engine="django_schemas.backends.postgres.wrapper"), **options}


CITUS_URL = os.environ.get("CITUS_URL", "")

DATABASES = {
    "default": _database(CITUS_URL, ENVIRONMENTS=["registry", "tenant"], CITUS=True)
    if CITUS_URL
    else _database(_cluster.databases["default"], ENVIRONMENTS=["registry", "tenant"]),
    "shard2": _database(_cluster.databases["shard2"], ENVIRONMENTS=["tenant"]),
}
if "default-read1" in _cluster.databases and not CITUS_URL:
    # A streaming replica holds every database of its server, so the test database is there under its own name.
    DATABASES["default-read1"] = _database(_cluster.databases["default-read1"], TEST={"MIRROR": "default"})

POSTGIS_MISSING = postgis.missing(_cluster.databases["default"])
if not POSTGIS_MISSING:
    DATABASES["geo"] = _database(
        _cluster.url("app_geo"), ENGINE="django_schemas.backends.postgis.wrapper", ENVIRONMENTS=["atlas"]
    )

_ADOPTED = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "tests.apps.signs",
]
DATABASE_ENVIRONMENTS = {
    "registry": {"SCHEMA_NAME": "registry", "APPS": _ADOPTED},
    "tenant": {"APPS": _ADOPTED, "ADDITIONAL_SCHEMAS": ["public"]},
    # Hosted by no database here; tests that need another multi-schema environment let one host it.
    "depot": {},
    "crates": {},
}
if not POSTGIS_MISSING:
    DATABASE_ENVIRONMENTS["atlas"] = {"ADDITIONAL_SCHEMAS": ["public"]}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
SILENCED_SYSTEM_CHECKS = ["tenancy.W039"]  # The leaflets are of no environment on purpose.

INSTALLED_APPS = [
    "django_schemas",
    "tenancy",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.sites",
    "tests.apps.leaflets",
    "tests.apps.signs",
    "tests.apps.platform",
    "tests.apps.garage",
    "tests.apps.depot",
    "tests.apps.crates",
]
if not POSTGIS_MISSING:
    INSTALLED_APPS += ["django.contrib.gis", "tests.apps.atlas"]
MIDDLEWARE = [
    "tenancy.middleware.TenantMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TENANCY = {
    "ENVIRONMENT": "tenant",
    "BASE_DOMAIN": "saas.test",
    "LISTEN": False,  # Tests of it switch it on.
    "PUBLIC_URLCONF": "tests.apps.site.urls_public",
    "RESOLVERS": [
        "tenancy.resolvers.DomainResolver",
        "tenancy.resolvers.SubdomainResolver",
        ("tenancy.resolvers.HeaderResolver", {"verifier": "tests.apps.site.views.knows_the_word"}),
    ],
}
ROOT_URLCONF = "tests.apps.site.urls"
STATIC_URL = "static/"
ALLOWED_HOSTS = ["*"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

# What existing projects have: 32-bit keys.
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET_KEY = "for tests only"
USE_TZ = True

SILENCED_SYSTEM_CHECKS = ["django_schemas.W010"]  # The environment that no database hosts.

# The tests' own process is audited by their plugin.
if "pytest" not in sys.modules:
    audit_process()

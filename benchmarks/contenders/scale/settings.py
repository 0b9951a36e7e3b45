"""As docs/databases.md and docs/admin.md advise: tenants over several databases, staff of their own in the registry.

`DATABASE_URL` has the registry. `BENCH_MORE_DATABASES` are the URLs of the others, with commas between.
`BENCH_CACHE_TTL_S` is for how many seconds a tenant is remembered; 0: each request looks it up.
`BENCH_MAX_SCHEMAS` is how many schemas a connection may see; 0: any number.
"""

import environ

from ..ours.settings import (
    ALLOWED_HOSTS,
    DATABASE_ENVIRONMENTS,
    DATABASE_ROUTERS,
    DATABASES,
    DEFAULT_AUTO_FIELD,
    INSTALLED_APPS,
    MIDDLEWARE,
    MIGRATION_MODULES,
    ROOT_URLCONF,
    SECRET_KEY,
    TEMPLATES,
    TENANCY,
    USE_TZ,
)
from ..project import database

__all__ = [
    "ALLOWED_HOSTS",
    "DATABASE_ROUTERS",
    "DEFAULT_AUTO_FIELD",
    "INSTALLED_APPS",
    "MIDDLEWARE",
    "MIGRATION_MODULES",
    "ROOT_URLCONF",
    "SECRET_KEY",
    "TEMPLATES",
    "USE_TZ",
]

_env = environ.Env()

for _number, _url in enumerate(_env.list("BENCH_MORE_DATABASES", default=[]), 2):
    DATABASES[f"cluster{_number}"] = {
        **database("django_schemas.backends.postgres.wrapper", _url),
        "ENVIRONMENTS": ["tenant"],
    }
for _database in DATABASES.values():
    _database["MAX_SCHEMAS_PER_CONNECTION"] = _env.int("BENCH_MAX_SCHEMAS", default=500) or None
DATABASE_ENVIRONMENTS["registry"]["APPS"] = [
    f"django.contrib.{app}" for app in ("contenttypes", "auth", "sessions", "admin")
]
TENANCY |= {
    "PUBLIC_URLCONF": "benchmarks.contenders.scale.urls",
    "CACHE_TTL_S": _env.float("BENCH_CACHE_TTL_S", default=3600),
}
STATIC_URL = "/static/"

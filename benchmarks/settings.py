"""Settings of the measurements: one database by two connections, ours and Django's own."""

import environ

from tools import postgres
from tools.driver import choose_driver

choose_driver()
_url = postgres.ensure().databases["default"]

DATABASES = {
    "default": {
        **environ.Env.db_url_config(_url, engine="django_schemas.backends.postgres.wrapper"),
        "ENVIRONMENTS": ["bench"],
    },
    "plain": environ.Env.db_url_config(_url, engine="django.db.backends.postgresql"),
}
DATABASE_ENVIRONMENTS = {"bench": {}}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
INSTALLED_APPS = ["django_schemas", "benchmarks"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

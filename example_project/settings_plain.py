"""The same help desk as an ordinary project: one company, Django's own backend, no tenants, no environments.

`demo` runs both and compares the statements that a request takes. PLAIN_DATABASE_URL names the database.
"""

from django.db.models import options

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS, MIDDLEWARE, env

# The models still say `db_environment`: without the app `django_schemas`, Django must be told to let it pass.
options.DEFAULT_NAMES = (*options.DEFAULT_NAMES, "db_environment")

DATABASES = {"default": env.db("PLAIN_DATABASE_URL", "postgres://127.0.0.1/harbor_desk_plain")}
DATABASE_ROUTERS: list[str] = []
INSTALLED_APPS = [
    name for name in INSTALLED_APPS if name not in ("django_schemas", "tenancy", "example_project.website")
]
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("tenancy.")]
del DATABASE_ENVIRONMENTS, TENANCY  # noqa: F821

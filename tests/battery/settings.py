"""Settings of what is tested: the same apps, in a schema for each workshop, and one guild hall for all."""

import os

from tests.audit.processes import audit_process
from tests.battery.plain import *  # noqa: F403
from tests.battery.plain import APPS, DATABASES, INSTALLED_APPS

DATABASES["default"]["ENGINE"] = "django_schemas.backends.postgres.wrapper"
DATABASES["default"]["ENVIRONMENTS"] = ["guildhall", "workshop"]
DATABASES["default"]["CITUS"] = "CITUS" in os.environ
DATABASE_ENVIRONMENTS = {
    "guildhall": {"SCHEMA_NAME": "guildhall", "APPS": ["tests.apps.guild"]},
    "workshop": {"APPS": APPS, "ADDITIONAL_SCHEMAS": ["public"]},
}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
INSTALLED_APPS = ["django_schemas", *INSTALLED_APPS]

audit_process()

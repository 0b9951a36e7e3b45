"""Settings of the reference: Django's own backend, tables in `public`."""

import os

import environ

from tools.driver import choose_driver

choose_driver()

DATABASES = {"default": environ.Env.db_url_config(os.environ["DATABASE_URL"], engine="django.db.backends.postgresql")}
# Those of a workshop.
APPS = os.environ.get("BATTERY_APPS", "tests.apps.atelier tests.apps.annex").split()
APPS = ["django.contrib.contenttypes", "django.contrib.auth", *APPS]
INSTALLED_APPS = ["django.contrib.postgres", "tests.apps.guild", *APPS]
MIGRATION_MODULES = {"annex": os.environ.get("ANNEX_MIGRATIONS", "tests.apps.annex.migrations")}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "for tests only"
USE_TZ = True

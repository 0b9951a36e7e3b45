"""The settings that Django's `runtests.py` is given; it adds its own for apps, templates, middleware and URLs."""

import os
import sys
from pathlib import Path

import environ
import test_sqlite  # The settings that this version's tests are written for.

import django_schemas.apps  # noqa: F401  # Takes up models from the first one on.
from tools.driver import choose_driver

from .placing import ENVIRONMENT, SCHEMA, Mode, activate_everywhere, apps_below, databases, mode

choose_driver()

SECRET_KEY = test_sqlite.SECRET_KEY
PASSWORD_HASHERS = test_sqlite.PASSWORD_HASHERS
USE_TZ = test_sqlite.USE_TZ
if hasattr(test_sqlite, "DEFAULT_AUTO_FIELD"):
    DEFAULT_AUTO_FIELD = test_sqlite.DEFAULT_AUTO_FIELD

_runtests = sys.modules["__main__"]

# runtests.py replaces INSTALLED_APPS by this list of its own. The commands of the first app win.
_runtests.ALWAYS_INSTALLED_APPS[:0] = ["tests.django_suite", "django_schemas"]
_CONTRIB = [app for apps in _runtests.CONTRIB_TESTS_TO_APPS.values() for app in apps]

TEST_RUNNER = "tests.django_suite.runner.SuiteRunner"


def _database(alias: str) -> dict[str, object]:
    return {
        **environ.Env.db_url_config(os.environ["DJANGO_SUITE_URL"]),
        "ENGINE": f"django_schemas.backends.{os.environ['DJANGO_SUITE_BACKEND']}.wrapper",
        "NAME": f"{os.environ['DJANGO_SUITE_NAME']}_{alias}",
        "ENVIRONMENTS": [ENVIRONMENT] if alias in databases() else [],
    }


DATABASES = {alias: _database(alias) for alias in ("default", "other")}
DATABASE_ROUTERS = ["django_schemas.routers.ExplicitRouter"]
DATABASE_ENVIRONMENTS = {
    ENVIRONMENT: {
        "APPS": sorted({*_runtests.ALWAYS_INSTALLED_APPS, *_CONTRIB, *apps_below(Path(_runtests.__file__).parent)}),
        # Extensions are made in public, and migrations use their types.
        "ADDITIONAL_SCHEMAS": ["public"],
        **({"SCHEMA_NAME": SCHEMA} if mode() is Mode.SINGLE else {}),
    },
}

if mode() is Mode.MULTI:
    activate_everywhere()

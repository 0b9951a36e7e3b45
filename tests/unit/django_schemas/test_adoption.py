"""Adoption depends on the app being installed: what happens if it is not, and wherever it is in the list."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import django
from django.conf import settings

settings.configure(
    DATABASES={{"default": {{"ENGINE": "django_schemas.backends.postgres.wrapper", "ENVIRONMENTS": ["tenant"]}}}},
    DATABASE_ENVIRONMENTS={{"tenant": {{"APPS": ["django.contrib.contenttypes"]}}}},
    DATABASE_ROUTERS=["django_schemas.routers.ExplicitRouter"],
    INSTALLED_APPS={apps!r},
)
django.setup()
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured

try:
    {statement}
except ImproperlyConfigured as error:
    print(type(error).__name__, error)
"""
MISSING = "ConfigError 'django_schemas' is not in INSTALLED_APPS, so no model is in an environment: add it."


def run(statement: str, *apps: str) -> "subprocess.CompletedProcess[str]":
    """A process with these apps that runs a statement."""
    script = _SCRIPT.format(apps=list(apps), statement=statement)
    root = Path(__file__).resolve().parents[3]
    return subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)


def said(statement: str, *apps: str) -> str:
    """What it prints."""
    done = run(statement, *apps)
    done.check_returncode()
    return done.stdout.strip()


def test_without_the_app_adopted_models_are_not_looked_for_in_public() -> None:
    """Nothing has taken them up, so the router refuses before any query."""
    assert said("ContentType.objects.count()", "django.contrib.contenttypes") == MISSING


def test_without_the_app_no_model_can_be_declared() -> None:
    """The error names the remedy, before Django complains of an unknown option of Meta."""
    assert said("from django_schemas import models", "django.contrib.contenttypes") == MISSING


def test_without_the_app_tenancy_is_refused() -> None:
    """Its own models declare an environment: the error names the remedy here too."""
    done = run("pass", "tenancy")
    assert done.stderr.splitlines()[-1] == f"django_schemas.exceptions.{MISSING.replace(' ', ': ', 1)}"


def test_the_app_may_come_last() -> None:
    """Django loads all apps before the first model."""
    shown = said("print(ContentType._meta.db_table.environments)", "django.contrib.contenttypes", "django_schemas")
    assert shown == "('tenant',)"
